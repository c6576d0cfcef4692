//! Stock of imported SKUs: set where it has to be, through inventory's contract.

use std::collections::{BTreeMap, HashMap, HashSet};

use emporium_inventory_api::{
    Adjust, AdjustRow, AskLevels, Change, InventoryError, Level, LocationId, Register, Registration, Sku,
};
use emporium_kernel::{Call, Fault, base32_id};
use serde::{Deserialize, Serialize};

use crate::catalogue::sellable::full_title;
use crate::csv::import::{ImportOptions, new_skus};
use crate::csv::known::Known;
use crate::csv::reader::Read;
use crate::csv::remark::{Remark, RemarkCode};
use crate::patience::patiently;
use crate::{Shop, ShopError};

/// Rows of one call, at most.
const AT_ONCE: usize = 1_000;

/// Whose stock an import sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockMode {
    /// That of SKUs which the import brings into the catalogue.
    #[default]
    Created,
    /// That of all SKUs for which the file says a quantity.
    Set,
}

/// A quantity of the file.
#[derive(Clone, Debug)]
struct Wish {
    line: u64,
    handle: String,
    sku: Sku,
    /// `None` for the default location.
    location: Option<LocationId>,
    pieces: i64,
}

/// What a product of the file says of SKUs that the catalogue has as its own; another product's are left alone.
fn own_wishes<'a>(product: &'a Read, known: &'a Known) -> impl Iterator<Item = Wish> + 'a {
    let slug = product.listing.draft.slug.as_ref();
    wishes_of(product).filter(move |wish| slug.is_some() && known.get(&wish.sku) == slug)
}

impl Wish {
    fn refused(&self, why: impl std::fmt::Display) -> Remark {
        let message = format!("the stock of {} was left as it is: {why}", self.sku);
        Remark { line: self.line, handle: self.handle.clone(), code: RemarkCode::StockRefused, message }
    }
}

/// Sets the stock of one import.
pub(super) struct Stock<'a> {
    shop: &'a Shop,
    mode: StockMode,
    dry_run: bool,
    actor: String,
    /// Names the import in the ids of its commands.
    run: String,
    commands: u64,
    /// SKUs whose stock was set.
    pub(super) set: u64,
}

impl<'a> Stock<'a> {
    pub(super) fn new(shop: &'a Shop, options: &ImportOptions) -> Self {
        let ImportOptions { stock, dry_run, actor, .. } = options.clone();
        Self { shop, mode: stock, dry_run, actor, run: base32_id(shop.clock.now(), &shop.random), commands: 0, set: 0 }
    }

    /// Sets the stock of SKUs that are not yet in the catalogue.
    ///
    /// They are registered and counted first and enter the catalogue afterwards. So an import that was killed in
    /// between finds them missing and does the same again, and a SKU that is in the catalogue has its stock.
    pub(super) async fn set_new(
        &mut self,
        call: &Call,
        batch: &[Read],
        known: &Known,
    ) -> Result<Vec<Remark>, ShopError> {
        let (mut skus, mut wishes) = (Vec::new(), Vec::new());
        for product in batch {
            let draft = &product.listing.draft;
            let new: HashSet<&Sku> = new_skus(draft, known).map(|new| &new.sku).collect();
            wishes.extend(wishes_of(product).filter(|wish| new.contains(&wish.sku)));
            for sku in draft.skus.iter().filter(|sku| new.contains(&sku.sku)) {
                let title = full_title(&draft.title, &sku.title);
                skus.push(Registration { sku: sku.sku.clone(), title, supplier: draft.supplier.clone() });
            }
        }
        if !self.dry_run {
            for some in skus.chunks(AT_ONCE) {
                let ask = Register { skus: some.to_vec() };
                let register = async |call: Call| self.shop.inventory.register(&call, ask.clone()).await;
                patiently(call, register).await?;
            }
        }
        self.set_all(call, wishes).await
    }

    /// Sets the stock of SKUs that the catalogue had before, when that is asked for and it differs.
    pub(super) async fn set_known(
        &mut self,
        call: &Call,
        batch: &[Read],
        known: &Known,
    ) -> Result<Vec<Remark>, ShopError> {
        if self.mode == StockMode::Created {
            return Ok(Vec::new());
        }
        let wishes: Vec<Wish> = batch.iter().flat_map(|product| own_wishes(product, known)).collect();
        let names: Vec<Sku> = wishes.iter().map(|wish| wish.sku.clone()).collect();
        let levels = levels(self.shop, call, &names).await?;
        let (mut different, mut remarks) = (Vec::new(), Vec::new());
        for mut wish in wishes {
            match place(levels.get(&wish.sku).map_or(&[], Vec::as_slice), wish.pieces) {
                Place::Same => {}
                Place::At(location) => {
                    wish.location = location;
                    different.push(wish);
                }
                Place::Several => {
                    remarks.push(wish.refused("it lies at several locations; adjust it at each of them"));
                }
            }
        }
        remarks.extend(self.set_all(call, different).await?);
        Ok(remarks)
    }

    async fn set_all(&mut self, call: &Call, wishes: Vec<Wish>) -> Result<Vec<Remark>, ShopError> {
        let mut remarks = Vec::new();
        for some in wishes.chunks(AT_ONCE) {
            match self.adjust(call, some).await {
                Ok(()) => self.set += u64::try_from(some.len()).unwrap_or(0),
                Err(error) if error.outage().is_some() => return Err(error.into()),
                // All rows or none: one by one shows which of them it was.
                Err(_) => {
                    for one in some {
                        match self.adjust(call, std::slice::from_ref(one)).await {
                            Ok(()) => self.set += 1,
                            Err(error) if error.outage().is_some() => return Err(error.into()),
                            Err(error) => remarks.push(one.refused(error)),
                        }
                    }
                }
            }
        }
        Ok(remarks)
    }

    /// One command. After an outage it may have been carried out, so it is sent again with the same id.
    async fn adjust(&mut self, call: &Call, wishes: &[Wish]) -> Result<(), InventoryError> {
        if self.dry_run {
            return Ok(());
        }
        self.commands += 1;
        let rows = wishes.iter().map(|wish| AdjustRow {
            sku: wish.sku.clone(),
            location: wish.location.clone(),
            change: Change::Set(wish.pieces),
            reason: "import".to_owned(),
            expected_on_hand: None,
        });
        let ask = Adjust {
            id: format!("import_{}_{}", self.run, self.commands),
            actor: self.actor.clone(),
            rows: rows.collect(),
        };
        let adjust = async |call: Call| self.shop.inventory.adjust(&call, ask.clone()).await;
        patiently(call, adjust).await.map(drop)
    }
}

/// Where a quantity is to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Nowhere: it is there already.
    Same,
    /// Where all of it lies; `None` for the default location.
    At(Option<LocationId>),
    /// The file does not say how to share it out.
    Several,
}

fn place(levels: &[Level], pieces: i64) -> Place {
    let held: Vec<&Level> = levels.iter().filter(|level| level.on_hand > 0).collect();
    match held.as_slice() {
        held if held.iter().map(|level| level.on_hand).sum::<i64>() == pieces => Place::Same,
        [] => Place::At(None),
        [only] => Place::At(Some(only.location.clone())),
        [..] => Place::Several,
    }
}

fn wishes_of(product: &Read) -> impl Iterator<Item = Wish> {
    let rows = product.listing.draft.skus.iter().zip(&product.lines);
    rows.filter_map(|(sku, line)| {
        let pieces = *product.listing.stock.get(&sku.sku)?;
        Some(Wish { line: *line, handle: product.handle.clone(), sku: sku.sku.clone(), location: None, pieces })
    })
}

/// What inventory has of some SKUs, by SKU.
pub(super) async fn levels(shop: &Shop, call: &Call, skus: &[Sku]) -> Result<HashMap<Sku, Vec<Level>>, ShopError> {
    let mut found = HashMap::<Sku, Vec<Level>>::new();
    for some in skus.chunks(AT_ONCE) {
        let ask = AskLevels { skus: some.to_vec() };
        let levels = async |call: Call| shop.inventory.levels(&call, ask.clone()).await;
        for level in patiently(call, levels).await? {
            found.entry(level.sku.clone()).or_default().push(level);
        }
    }
    Ok(found)
}

/// On hand over all locations; 0 for what inventory does not know.
pub(super) async fn on_hand(shop: &Shop, call: &Call, skus: &[Sku]) -> Result<BTreeMap<Sku, i64>, ShopError> {
    let levels = levels(shop, call, skus).await?;
    let total = |sku: &Sku| levels.get(sku).into_iter().flatten().map(|level| level.on_hand).sum();
    Ok(skus.iter().map(|sku| (sku.clone(), total(sku))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(location: &str, on_hand: i64) -> Level {
        let (sku, location) = (Sku::stored("MUG".to_owned()), LocationId::derived(&[location]));
        Level { sku, location, on_hand, reserved: 0, available: on_hand }
    }

    #[test]
    fn stock_is_set_where_it_lies_and_only_when_it_differs() {
        let shelf = || Some(LocationId::derived(&["shelf"]));
        assert_eq!(place(&[], 0), Place::Same);
        assert_eq!(place(&[], 5), Place::At(None));
        assert_eq!(place(&[level("main", 0), level("shelf", 5)], 5), Place::Same);
        assert_eq!(place(&[level("main", 0), level("shelf", 5)], 4), Place::At(shelf()));
    }

    #[test]
    fn stock_at_several_locations_is_left_alone_unless_it_is_the_same_in_all() {
        assert_eq!(place(&[level("main", 2), level("shelf", 3)], 5), Place::Same);
        assert_eq!(place(&[level("main", 2), level("shelf", 3)], 6), Place::Several);
    }
}
