//! The live feed: server-sent events, one for each event of stock, resumed by `Last-Event-ID`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use actix_web::web::Bytes;
use emporium_database::{Database, outbox};
use emporium_inventory_api::InventoryError;
use emporium_kernel::{After, Event, Outage, Standing};
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Sleep, sleep};

use crate::Stock;

/// After so long without an event a comment shows that the stream is alive, and whether its reader still is.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked for events of other processes.
const LOOK: Duration = Duration::from_secs(1);
/// What is committed within this time is read at once.
const GATHER: Duration = Duration::from_millis(50);
const AT_ONCE: u16 = 100;
/// How often it is looked whether the reader may still read.
const LOOK_AT_READER: Duration = Duration::from_secs(3);

struct Feed {
    database: Database,
    supplier: Option<String>,
    /// The last event that was read.
    number: i64,
    ready: VecDeque<Bytes>,
    commits: watch::Receiver<u64>,
    drains: watch::Receiver<bool>,
    end: Pin<Box<Sleep>>,
    standing: Standing,
    look_at_reader: Pin<Box<Sleep>>,
    /// For how long nothing was sent.
    quiet: Duration,
    _seat: OwnedSemaphorePermit,
}

/// The events after `last`, or from now on; only those of `supplier`'s SKUs when one is given.
pub(crate) async fn open(
    stock: &Stock,
    supplier: Option<String>,
    standing: Standing,
    last: Option<i64>,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, InventoryError> {
    let seat = stock.streams.clone().try_acquire_owned().map_err(|_| Outage::Busy)?;
    let newest = outbox::number_all::<InventoryError>(&stock.database).await?;
    let feed = Feed {
        database: stock.database.clone(),
        supplier,
        number: last.map_or(newest, |last| last.clamp(0, newest)),
        // Something at once, so that the reader knows that it is connected.
        ready: VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]),
        commits: stock.database.commits(),
        drains: stock.drained.subscribe(),
        end: Box::pin(sleep(Duration::from_secs(stock.settings.stream_secs.max(1)))),
        standing,
        look_at_reader: Box::pin(sleep(LOOK_AT_READER)),
        quiet: Duration::ZERO,
        _seat: seat,
    };
    Ok(futures_util::stream::unfold(feed, Feed::next))
}

impl Feed {
    /// The next piece of the stream, and the rest of it.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some((Ok(piece), self));
            }
            if *self.drains.borrow() || self.end.is_elapsed() || !self.reader_may_go_on().await {
                return None;
            }
            // Marked as seen before reading: what is committed meanwhile wakes the wait below.
            self.commits.borrow_and_update();
            if !self.read().await? {
                self.wait().await?;
            }
        }
    }

    async fn reader_may_go_on(&mut self) -> bool {
        if !self.look_at_reader.is_elapsed() {
            return true;
        }
        self.look_at_reader.set(sleep(LOOK_AT_READER));
        self.standing.holds().await
    }

    /// Reads what comes next; whether there was anything. A failure ends the stream: its reader comes back.
    async fn read(&mut self) -> Option<bool> {
        let after = After { number: self.number, limit: AT_ONCE };
        let events = outbox::after::<InventoryError>(&self.database, after).await.ok()?.events;
        let Some(last) = events.last() else { return Some(false) };
        (self.number, self.quiet) = (last.number, Duration::ZERO);
        let supplier = self.supplier.as_deref();
        self.ready.extend(events.iter().filter(|event| may_see(supplier, event)).map(render));
        Some(true)
    }

    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.commits.changed() => {
                changed.ok()?;
                sleep(GATHER).await;
            }
            drained = self.drains.changed() => drained.ok()?,
            () = &mut self.end => return None,
            () = &mut self.look_at_reader => {}
            // Other processes that write to the database cannot wake this one.
            () = sleep(LOOK) => {
                self.quiet += LOOK;
                if self.quiet >= KEEP_ALIVE {
                    self.quiet = Duration::ZERO;
                    self.ready.push_back(Bytes::from_static(b": still here\n\n"));
                }
            }
        }
        Some(())
    }
}

fn may_see(supplier: Option<&str>, event: &Event) -> bool {
    supplier.is_none() || event.body.get("supplier").and_then(|owner| owner.as_str()) == supplier
}

/// JSON has no line breaks, so one `data:` line holds it.
fn render(event: &Event) -> Bytes {
    Bytes::from(format!("id: {}\nevent: {}\ndata: {}\n\n", event.number, event.topic, event.body))
}
