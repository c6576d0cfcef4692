//! An address that stays while the process behind it comes and goes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Passes connections on to a process; with nobody behind it, it closes them.
pub struct Door {
    /// Where it is.
    pub url: String,
    behind: Arc<Mutex<Option<SocketAddr>>>,
    /// Its thread ends when this is dropped.
    _open: oneshot::Sender<()>,
}

impl Door {
    pub fn open() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let behind = Arc::new(Mutex::new(None));
        let (open, closed) = oneshot::channel::<()>();
        let shown = behind.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                tokio::select! {
                    () = pass(listener, shown) => {}
                    _ = closed => {}
                }
            });
        });
        Self { url, behind, _open: open }
    }

    /// Leads to the process that listens at `url`.
    pub fn lead_to(&self, url: &str) {
        let address = url.trim_start_matches("http://").parse().expect("an address");
        *self.behind.lock().expect("free") = Some(address);
    }
}

async fn pass(listener: std::net::TcpListener, behind: Arc<Mutex<Option<SocketAddr>>>) {
    listener.set_nonblocking(true).expect("does not block");
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let (mut caller, _) = listener.accept().await.expect("accepts");
        let address = *behind.lock().expect("free");
        tokio::spawn(async move {
            let Some(address) = address else { return };
            let Ok(mut called) = TcpStream::connect(address).await else { return };
            let _ = called.set_nodelay(true);
            let _ = caller.set_nodelay(true);
            let _ = copy_bidirectional(&mut caller, &mut called).await;
        });
    }
}
