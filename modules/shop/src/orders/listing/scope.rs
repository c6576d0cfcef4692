//! Where a list of orders begins to look, and what each order is asked from there on.

use std::cmp::Reverse;
use std::slice;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use emporium_database::scan::{Counted, FEW, STRETCHES, Scan};
use emporium_database::{Db, Failure, is, pair};
use emporium_inventory_api::Sku;
use emporium_kernel::Timestamp;

use super::OrderFilter;
use crate::ShopError;
use crate::error::Done;
use crate::orders::order::{FulfilmentStatus, OrderRow, OrderStatus, PaymentStatus};
use crate::schema::{order_line, orders};

/// The index of a customer's orders answers for their statuses, as fast as it tells where a stretch ends.
const OF_A_CUSTOMER: &[i64] = &[400];

type Query<'a> = orders::BoxedQuery<'a, <Db as diesel::Connection>::Backend>;

/// Where a list begins to look. SQLite does not know how many orders have what is asked for, so it is told: the other
/// conditions are written such that it takes no index for them.
#[derive(Clone, Copy, Debug)]
enum Begin<'a> {
    Number(&'a str),
    Customer(&'a str),
    /// With those that have the SKU; they are few.
    Sku(&'a Sku),
    Payment(PaymentStatus),
    Fulfilment(FulfilmentStatus),
    Status(OrderStatus),
    /// With those of all three statuses.
    Standing(Standing),
    /// With those of each standing that the filter leaves.
    Standings,
    /// With the newest.
    Newest,
}

/// The three statuses of an order.
#[derive(Clone, Copy, Debug)]
struct Standing {
    payment: PaymentStatus,
    fulfilment: FulfilmentStatus,
    status: OrderStatus,
}

/// Orders, newest first.
pub(super) struct Listing<'a> {
    filter: &'a OrderFilter,
    begin: Begin<'a>,
    /// Whether very many may be asked for each that is shown.
    asks: bool,
}

/// A moment and an id.
pub(super) type Place = (i64, String);

impl<'a> Listing<'a> {
    /// Begins with the number or the customer, else with the SKU where it leaves few. The statuses have indexes in the order of
    /// the list, one of them as well as several; with a SKU that leaves many, what all of them leave is asked for it where that
    /// is little, else what the first of them leaves.
    pub(super) fn of(db: &mut Db, filter: &'a OrderFilter) -> Done<Self> {
        let OrderFilter { status, payment_status, fulfilment_status, sku, customer, number, .. } = filter;
        let (payment, fulfilment) = (payment_status.map(Begin::Payment), fulfilment_status.map(Begin::Fulfilment));
        let statuses: Vec<Begin<'_>> = [payment, fulfilment, status.map(Begin::Status)].into_iter().flatten().collect();
        let first = statuses.first().copied().unwrap_or(Begin::Newest);
        let all = if statuses.len() > 1 { Begin::Standings } else { first };
        let begin = |begin, asks| Self { filter, begin, asks };
        let sku = match (number, customer, sku) {
            (Some(number), ..) => return Ok(begin(Begin::Number(number), false)),
            (None, Some(customer), _) => {
                return Ok(begin(Begin::Customer(customer), !statuses.is_empty() || sku.is_some()));
            }
            (None, None, None) => return Ok(begin(all, false)),
            (None, None, Some(sku)) => sku,
        };
        for part in [Begin::Sku(sku), all] {
            let listing = begin(part, false);
            if listing.is_short(db)? {
                return Ok(listing);
            }
        }
        Ok(begin(first, true))
    }

    /// Whether there are few orders where it begins.
    fn is_short(&self, db: &mut Db) -> Done<bool> {
        let beyond: Option<String> = match self.begin {
            Begin::Sku(sku) => {
                let lines = order_line::table.filter(order_line::sku.eq(sku.as_str())).select(order_line::order_id);
                lines.offset(FEW).first(db).optional()?
            }
            _ => self.index(None, None).select(orders::id).offset(FEW).first(db).optional()?,
        };
        Ok(beyond.is_none())
    }

    /// Orders between two places and in the time of the filter.
    fn between(&self, after: Option<&Place>, until: Option<&Place>) -> Query<'_> {
        let before_all = |moment: Timestamp| (moment.micros(), String::new());
        let after = after.cloned().into_iter().chain(self.filter.to.map(before_all)).min();
        let until = until.cloned().into_iter().chain(self.filter.from.map(before_all)).max();
        let mut query = orders::table.into_boxed();
        if let Some((at, id)) = after {
            query = query.filter(pair(orders::created_at, orders::id).lt((at, id)));
        }
        if let Some((at, id)) = until {
            query = query.filter(pair(orders::created_at, orders::id).ge((at, id)));
        }
        query
    }

    /// The orders with which it begins, between two places.
    fn index(&self, after: Option<&Place>, until: Option<&Place>) -> Query<'_> {
        let query = self.between(after, until);
        match self.begin {
            Begin::Number(number) => query.filter(orders::number.eq(number)),
            Begin::Customer(customer) => query.filter(is(orders::buyer, customer)),
            Begin::Sku(sku) => {
                let of_sku = order_line::table.filter(order_line::sku.eq(sku.as_str()));
                query.filter(orders::id.eq_any(of_sku.select(order_line::order_id)))
            }
            Begin::Payment(status) => query.filter(is(orders::payment_status, status.name())),
            Begin::Fulfilment(status) => query.filter(is(orders::fulfilment_status, status.name())),
            Begin::Status(status) => query.filter(is(orders::status, status.name())),
            Begin::Standing(standing) => query
                .filter(is(orders::payment_status, standing.payment.name()))
                .filter(is(orders::fulfilment_status, standing.fulfilment.name()))
                .filter(is(orders::status, standing.status.name())),
            Begin::Standings => {
                let (payments, fulfilments, statuses) = self.statuses();
                query
                    .filter(orders::payment_status.eq_any(payments.iter().map(|status| status.name())))
                    .filter(orders::fulfilment_status.eq_any(fulfilments.iter().map(|status| status.name())))
                    .filter(orders::status.eq_any(statuses.iter().map(|status| status.name())))
            }
            Begin::Newest => query,
        }
    }

    /// Of each kind the one that is asked for, or all.
    fn statuses(&self) -> (&[PaymentStatus], &[FulfilmentStatus], &[OrderStatus]) {
        let OrderFilter { payment_status, fulfilment_status, status, .. } = self.filter;
        (
            payment_status.as_ref().map_or(PaymentStatus::ALL, slice::from_ref),
            fulfilment_status.as_ref().map_or(FulfilmentStatus::ALL, slice::from_ref),
            status.as_ref().map_or(OrderStatus::ALL, slice::from_ref),
        )
    }

    /// Each standing that the filter leaves.
    fn standings(&self) -> impl Iterator<Item = Standing> {
        let (payments, fulfilments, statuses) = self.statuses();
        payments.iter().flat_map(move |&payment| {
            fulfilments.iter().flat_map(move |&fulfilment| {
                statuses.iter().map(move |&status| Standing { payment, fulfilment, status })
            })
        })
    }

    /// The newest of all standings. Those of each stand in the order of the list, and all of them do not.
    fn merged(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<OrderRow>> {
        let mut rows: Vec<OrderRow> = Vec::new();
        for standing in self.standings() {
            let listing = Listing { filter: self.filter, begin: Begin::Standing(standing), asks: false };
            rows.extend(listing.rows(db, after, until, most)?);
        }
        rows.sort_unstable_by_key(|row| Reverse(self.place(row)));
        rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(rows)
    }

    /// What of these the filter lets through.
    fn matching(&self, after: Option<&Place>, until: Option<&Place>) -> Query<'_> {
        let OrderFilter { status, payment_status, fulfilment_status, sku, customer, .. } = self.filter;
        let mut query = self.index(after, until);
        if let Some(customer) = customer.as_ref().filter(|_| !matches!(self.begin, Begin::Customer(_))) {
            query = query.filter(not(orders::buyer.ne(customer)));
        }
        let is_standing = matches!(self.begin, Begin::Standing(_) | Begin::Standings);
        if let Some(status) = payment_status.filter(|_| !is_standing && !matches!(self.begin, Begin::Payment(_))) {
            query = query.filter(not(orders::payment_status.ne(status.name())));
        }
        if let Some(status) = fulfilment_status.filter(|_| !is_standing && !matches!(self.begin, Begin::Fulfilment(_)))
        {
            query = query.filter(not(orders::fulfilment_status.ne(status.name())));
        }
        if let Some(status) = status.filter(|_| !is_standing && !matches!(self.begin, Begin::Status(_))) {
            query = query.filter(not(orders::status.ne(status.name())));
        }
        if let Some(sku) = sku.as_ref().filter(|_| !matches!(self.begin, Begin::Sku(_))) {
            let of_sku = order_line::table.filter(order_line::sku.eq(sku.as_str()));
            query = query.filter(exists(of_sku.filter(order_line::order_id.eq(orders::id))));
        }
        query
    }

    /// Orders of this list, newest first: in the order of the index with which it begins.
    fn newest<'q>(&self, query: Query<'q>) -> Query<'q> {
        let query = match self.begin {
            Begin::Customer(_) => query.order(orders::buyer.desc()),
            Begin::Payment(_) => query.order(orders::payment_status.desc()),
            Begin::Fulfilment(_) => query.order(orders::fulfilment_status.desc()),
            Begin::Status(_) => query.order(orders::status.desc()),
            Begin::Standing(_) => {
                query.order((orders::payment_status.desc(), orders::fulfilment_status.desc(), orders::status.desc()))
            }
            Begin::Number(_) | Begin::Sku(_) | Begin::Standings | Begin::Newest => query,
        };
        query.then_order_by((orders::created_at.desc(), orders::id.desc()))
    }
}

impl Scan for Listing<'_> {
    type Row = OrderRow;
    type Place = Place;
    type Error = Failure<ShopError>;

    fn asks(&self) -> bool {
        self.asks
    }

    fn stretches(&self) -> &'static [i64] {
        if matches!(self.begin, Begin::Customer(_)) { OF_A_CUSTOMER } else { STRETCHES }
    }

    fn place(&self, row: &OrderRow) -> Place {
        (row.created_at, row.id.clone())
    }

    fn end(&self, db: &mut Db, after: Option<&Place>, rows: i64) -> Done<Option<Place>> {
        let newest = self.newest(self.index(after, None));
        Ok(newest.select((orders::created_at, orders::id)).offset(rows - 1).first(db).optional()?)
    }

    fn rows(&self, db: &mut Db, after: Option<&Place>, until: Option<&Place>, most: i64) -> Done<Vec<OrderRow>> {
        if let Begin::Standings = self.begin {
            return self.merged(db, after, until, most);
        }
        let newest = self.newest(self.matching(after, until));
        Ok(newest.limit(most).load(db)?)
    }
}

impl Counted for Listing<'_> {
    fn reaches(&self, db: &mut Db, rows: i64) -> Done<bool> {
        let last = self.matching(None, None).select(orders::id).offset(rows - 1);
        Ok(last.first::<String>(db).optional()?.is_some())
    }

    fn count(&self, db: &mut Db) -> Done<i64> {
        Ok(self.matching(None, None).count().get_result(db)?)
    }
}
