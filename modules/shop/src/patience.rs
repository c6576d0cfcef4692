//! Long work of our own, an import or a proof, does not end because a neighbour is away for a moment.

use std::time::Duration;

use emporium_kernel::{Call, Fault};

/// How often a neighbour is asked before its outage ends the work.
const TRIES: u32 = 5;
/// The pause before the second try; each further one is twice as long. All of them outlast a restart.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks until there is an answer, each time with time of its own. Only for what may be asked again: after an outage it
/// may have been done.
pub(crate) async fn patiently<T, E: Fault>(call: &Call, ask: impl AsyncFn(Call) -> Result<T, E>) -> Result<T, E> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match ask(call.afresh()).await {
            Err(error) if error.outage().is_some() => tokio::time::sleep(pause).await,
            answered => return answered,
        }
        pause *= 2;
    }
    ask(call.afresh()).await
}
