//! `emporium order`: looks at orders, finishes stuck ones, checks all of them.

use std::time::Duration;

use clap::Subcommand;
use emporium_kernel::{Call, Fault, Page};
use emporium_shop::orders::{Order, OrderFilter, OrderStatus};
use emporium_shop::{Shop, ShopError};
use emporium_shop_api::OrderId;
use serde_json::json;

use super::{Context, refused, verify};
use crate::wiring::Mode;

/// What to do with orders.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show one order and what happened to it.
    Show {
        /// Its id or number.
        order: String,
    },
    /// List orders, newest first.
    List {
        /// Only those that are pending, placed, cancelled or completed.
        #[arg(long)]
        status: Option<String>,
        /// Only those whose saga is not finished.
        #[arg(long)]
        unfinished: bool,
        /// At most so many, 1 to 100.
        #[arg(long, default_value_t = 25)]
        limit: u8,
    },
    /// Finish orders whose saga is not finished: one, or all of them.
    Retry {
        /// Its id; all unfinished ones when not said.
        order: Option<String>,
        /// Only say which.
        #[arg(long)]
        dry_run: bool,
    },
    /// Check every order against its stock and its money.
    Verify,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<u8> {
    let mode = if matches!(command, Command::Retry { dry_run: false, .. }) { Mode::Own } else { Mode::ReadOnly };
    let opened = context.open(mode)?;
    let shop = opened.module::<Shop>("shop")?;
    match command {
        Command::Show { order } => show(context, &shop, order).await,
        Command::List { unfinished: true, .. } => list_unfinished(context, &shop).await,
        Command::List { status, limit, .. } => list(context, &shop, status.as_deref(), limit).await,
        Command::Retry { order, dry_run } => retry(context, &shop, order, dry_run).await,
        Command::Verify => {
            let audit = shop.verify(&Call::internal("order-verify")).await.map_err(refused)?;
            Ok(verify::report(context.out, &audit))
        }
    }
}

async fn show(context: &Context, shop: &Shop, name: String) -> anyhow::Result<u8> {
    let order = shop.order_named(name).await.map_err(refused)?;
    let events = shop.order_history(order.id.clone(), None).await.map_err(refused)?;
    context.out.show(&json!({"order": order, "events": events}), |_| {
        let items =
            order.items.iter().map(|i| format!("  {} x {} ({}) {}\n", i.quantity.get(), i.sku, i.title, i.total));
        let told = events.iter().map(|e| format!("  {} {} by {} {}\n", e.at, e.kind, e.actor, e.detail));
        format!("{}\n{}{}", line(&order), items.collect::<String>(), told.collect::<String>())
    });
    Ok(0)
}

fn line(order: &Order) -> String {
    let reason = order.cancel_reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let (status, payment) = (order.status.name(), order.payment_status.name());
    format!("{} {} {status}{reason} {payment} {} {}", order.id, order.number, order.total, order.created_at)
}

async fn list(context: &Context, shop: &Shop, status: Option<&str>, limit: u8) -> anyhow::Result<u8> {
    let parse = |text: &str| serde_json::from_value::<OrderStatus>(text.into());
    let status = status.map(parse).transpose().map_err(|_| anyhow::anyhow!("there is no such status"))?;
    let limit = serde_json::from_value(limit.into()).map_err(|_| anyhow::anyhow!("--limit takes 1 to 100"))?;
    let page: Page<Order> =
        shop.orders(OrderFilter { status, limit, ..OrderFilter::default() }).await.map_err(refused)?;
    context.out.show(&page, |page| page.data.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(0)
}

async fn list_unfinished(context: &Context, shop: &Shop) -> anyhow::Result<u8> {
    let stuck = shop.unfinished().await.map_err(refused)?;
    context.out.show(&json!({"data": stuck}), |_| {
        let line = |s: &emporium_shop::orders::StuckOrder| {
            let error = s.last_error.as_deref().unwrap_or("-");
            format!("{} {} {} taken up {} times, next at {}: {error}", s.id, s.number, s.step, s.attempts, s.due_at)
        };
        stuck.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(u8::from(!stuck.is_empty()))
}

/// How long a neighbour that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(1_500);

/// Takes an order up; once more after a pause when a neighbour does not answer.
async fn retried(shop: &std::sync::Arc<Shop>, id: &OrderId) -> Result<(), ShopError> {
    match shop.retry(id).await {
        Err(error) if error.outage().is_some() => {
            tokio::time::sleep(PAUSE).await;
            shop.retry(id).await
        }
        done => done,
    }
}

async fn retry(
    context: &Context,
    shop: &std::sync::Arc<Shop>,
    order: Option<String>,
    dry_run: bool,
) -> anyhow::Result<u8> {
    let ids: Vec<OrderId> = match order {
        Some(text) => vec![text.parse().map_err(anyhow::Error::msg)?],
        None => shop.unfinished().await.map_err(refused)?.into_iter().map(|stuck| stuck.id).collect(),
    };
    let mut failed = Vec::new();
    for id in ids.iter().filter(|_| !dry_run) {
        if let Err(error) = retried(shop, id).await {
            failed.push(json!({"order": id, "error": error.to_string()}));
        }
    }
    let report = json!({"orders": ids, "failed": failed, "dry_run": dry_run});
    context.out.show(&report, |_| format!("{} orders taken up, {} not finished", ids.len(), failed.len()));
    Ok(u8::from(!failed.is_empty()))
}
