//! `emporium wallet`: looks at and changes wallets.

use std::sync::Arc;

use clap::Subcommand;
use emporium_auth_api::{Email, FindUser, UserId};
use emporium_kernel::{Call, Currency, Line, Money, PositiveMoney};
use emporium_wallet::{Adjust, Direction, Ledger};
use emporium_wallet_api::Wallet;
use serde_json::json;

use super::{Context, refused, verify};
use crate::wiring::Mode;

/// What to do with wallets.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show a user's balances.
    Show {
        /// Address or id.
        user: String,
    },
    /// Credit or debit a wallet.
    Adjust {
        /// Address or id.
        user: String,
        /// How much, as in 19.99; negative takes it away.
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// ISO 4217 code.
        currency: String,
        /// Why; the user sees it.
        #[arg(long)]
        reason: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Check every invariant of the ledger.
    Verify,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<u8> {
    let mode = if matches!(command, Command::Adjust { dry_run: false, .. }) { Mode::Own } else { Mode::ReadOnly };
    let opened = context.open(mode)?;
    let ledger = opened.module::<Ledger>("wallet")?;
    let call = Call::internal("wallet-command");
    match command {
        Command::Verify => {
            let audit = Wallet::verify(&*ledger, &call, ()).await.map_err(refused)?;
            Ok(verify::report(context.out, &audit))
        }
        Command::Show { user } => {
            let user = find(&ledger, &call, &user).await?;
            show(context, &ledger, &user).await
        }
        Command::Adjust { user, amount, currency, reason, dry_run } => {
            let user = find(&ledger, &call, &user).await?;
            let adjust = adjustment(user, &amount, &currency, &reason)?;
            ledger.within_cap(adjust.amount)?;
            adjust_wallet(context, &ledger, &call, adjust, dry_run).await
        }
    }
}

/// The user with this address or id.
async fn find(ledger: &Ledger, call: &Call, text: &str) -> anyhow::Result<UserId> {
    let id = UserId::parse(text);
    if let Some(id) = &id
        && !ledger.balances(id.as_str()).await.map_err(refused)?.is_empty()
    {
        return Ok(id.clone());
    }
    let ask = id.map(FindUser::Id).or_else(|| Email::parse(text).map(FindUser::Email));
    let ask = ask.ok_or_else(|| anyhow::anyhow!("{text} is neither an address nor a user id"))?;
    let user = ledger.find_user(call, ask).await.map_err(refused)?;
    Ok(user.ok_or_else(|| anyhow::anyhow!("there is no user {text}"))?.id)
}

async fn show(context: &Context, ledger: &Ledger, user: &UserId) -> anyhow::Result<u8> {
    let balances = ledger.balances(user.as_str()).await.map_err(refused)?;
    context.out.show(&json!({"user": user, "balances": balances}), |_| {
        let money = |amount: i64, currency: Currency| {
            Money::new(amount, currency).map_or_else(|_| amount.to_string(), |m| m.to_string())
        };
        let line = |b: &emporium_wallet::Balance| {
            let frozen = if b.frozen { ", frozen" } else { "" };
            let (balance, held) = (money(b.balance, b.currency), money(b.held, b.currency));
            format!("{balance}, of which {held} held{frozen}")
        };
        balances.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(0)
}

fn adjustment(user: UserId, amount: &str, currency: &str, reason: &str) -> anyhow::Result<Adjust> {
    let currency = Currency::parse(currency).ok_or_else(|| anyhow::anyhow!("there is no currency {currency}"))?;
    let (direction, digits) = match amount.strip_prefix('-') {
        Some(digits) => (Direction::Debit, digits),
        None => (Direction::Credit, amount),
    };
    let amount = currency.parse_decimal(digits).and_then(PositiveMoney::new);
    let amount = amount.ok_or_else(|| anyhow::anyhow!("the amount is not more than 0, or has too many decimals"))?;
    let reason = Line::parse(reason).map_err(|error| anyhow::anyhow!("--reason: {error}"))?;
    Ok(Adjust { user, direction, amount, reason, actor: "cli".to_owned() })
}

async fn adjust_wallet(
    context: &Context,
    ledger: &Arc<Ledger>,
    call: &Call,
    adjust: Adjust,
    dry_run: bool,
) -> anyhow::Result<u8> {
    if dry_run {
        ledger.check_adjust(call, &adjust).await.map_err(refused)?;
        let (user, amount) = (adjust.user.clone(), adjust.amount.get());
        let planned = json!({"user": user, "direction": adjust.direction, "amount": amount, "dry_run": true});
        context.out.show(&planned, |_| format!("would {:?} {amount} for {user}", adjust.direction).to_lowercase());
        return Ok(0);
    }
    let done = ledger.adjust(call, adjust).await.map_err(refused)?;
    context.out.show(&done, |done| format!("{} {:?} {} for {}", done.id, done.direction, done.amount, done.user));
    Ok(0)
}
