//! A warehouse in memory: one location, reservations with stored outcomes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use emporium_inventory_api::{
    Adjust, AskAvailability, AskLevels, AskReservations, Available, Change, Inventory, InventoryError, Level,
    LocationId, OfReservation, Register, Registered, Registration, Reservation, ReservationId, ReservationState,
    Reserve, Shortage, Sku,
};
use emporium_kernel::{After, Audit, Call, Events};

use super::Script;

#[derive(Default)]
pub struct FakeInventory {
    pub script: Script<InventoryError>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    registered: BTreeMap<Sku, Registration>,
    /// On hand and reserved.
    stock: BTreeMap<Sku, (i64, i64)>,
    reservations: BTreeMap<ReservationId, Reserved>,
}

struct Reserved {
    state: ReservationState,
    lines: BTreeMap<Sku, i64>,
    refusal: Option<InventoryError>,
}

impl FakeInventory {
    /// Puts so many on the shelf.
    pub fn stock(&self, sku: &str, on_hand: i64) {
        let sku = Sku::parse(sku).expect("a SKU");
        self.state.lock().expect("state").stock.entry(sku).or_default().0 = on_hand;
    }

    /// On hand and reserved.
    pub fn level(&self, sku: &str) -> (i64, i64) {
        let state = self.state.lock().expect("state");
        state.stock.iter().find(|(key, _)| key.as_str() == sku).map_or((0, 0), |(_, level)| *level)
    }

    /// What the shop said of a SKU.
    pub fn registration(&self, sku: &str) -> Option<Registration> {
        let state = self.state.lock().expect("state");
        state.registered.values().find(|known| known.sku.as_str() == sku).cloned()
    }

    pub fn registered(&self) -> usize {
        self.state.lock().expect("state").registered.len()
    }

    /// The state of every reservation.
    pub fn states(&self) -> Vec<ReservationState> {
        self.state.lock().expect("state").reservations.values().map(|r| r.state).collect()
    }

    /// Time passes for a reservation that was not committed.
    pub fn expire_all(&self) {
        let mut state = self.state.lock().expect("state");
        let State { stock, reservations, .. } = &mut *state;
        for reserved in reservations.values_mut().filter(|r| r.state == ReservationState::Reserved) {
            reserved.state = ReservationState::Expired;
            for (sku, quantity) in &reserved.lines {
                stock.entry(sku.clone()).or_default().1 -= quantity;
            }
        }
    }
}

impl State {
    fn reserve(&mut self, ask: Reserve) -> Result<Reservation, InventoryError> {
        if let Some(known) = self.reservations.get(&ask.id) {
            return match (&known.refusal, known.state) {
                (Some(refusal), _) => Err(refusal.clone()),
                (None, ReservationState::Reserved | ReservationState::Committed) => {
                    Ok(Reservation { id: ask.id, state: known.state })
                }
                (None, state) => Err(InventoryError::ReservationEnded { state }),
            };
        }
        let mut lines = BTreeMap::<Sku, i64>::new();
        for line in &ask.lines {
            *lines.entry(line.sku.clone()).or_default() += line.quantity.get();
        }
        let mut short = Vec::new();
        for (sku, requested) in &lines {
            let (on_hand, reserved) = self.stock.get(sku).copied().unwrap_or_default();
            if on_hand - reserved < *requested {
                short.push(Shortage { sku: sku.clone(), requested: *requested, available: on_hand - reserved });
            }
        }
        let refusal = (!short.is_empty()).then_some(InventoryError::OutOfStock { short });
        let state = if refusal.is_some() { ReservationState::Refused } else { ReservationState::Reserved };
        if refusal.is_none() {
            for (sku, quantity) in &lines {
                self.stock.entry(sku.clone()).or_default().1 += quantity;
            }
        }
        self.reservations.insert(ask.id.clone(), Reserved { state, lines, refusal: refusal.clone() });
        refusal.map_or(Ok(Reservation { id: ask.id, state }), Err)
    }

    fn commit(&mut self, id: ReservationId) -> Result<Reservation, InventoryError> {
        let ended = InventoryError::ReservationEnded { state: ReservationState::Tombstone };
        let Some(reserved) = self.reservations.get_mut(&id) else { return Err(ended) };
        match reserved.state {
            ReservationState::Committed => {}
            ReservationState::Reserved => {
                reserved.state = ReservationState::Committed;
                for (sku, quantity) in &reserved.lines {
                    let level = self.stock.entry(sku.clone()).or_default();
                    *level = (level.0 - quantity, level.1 - quantity);
                }
            }
            state => return Err(InventoryError::ReservationEnded { state }),
        }
        Ok(Reservation { id, state: ReservationState::Committed })
    }

    fn release(&mut self, id: ReservationId) -> Reservation {
        let tomb = Reserved { state: ReservationState::Tombstone, lines: BTreeMap::new(), refusal: None };
        let reserved = self.reservations.entry(id.clone()).or_insert(tomb);
        let (on_hand, promised, state) = match reserved.state {
            ReservationState::Reserved => (0, -1, ReservationState::Released),
            ReservationState::Committed => (1, 0, ReservationState::Returned),
            state => (0, 0, state),
        };
        reserved.state = state;
        for (sku, quantity) in &reserved.lines {
            let level = self.stock.entry(sku.clone()).or_default();
            *level = (level.0 + on_hand * quantity, level.1 + promised * quantity);
        }
        Reservation { id, state }
    }

    fn adjust(&mut self, ask: &Adjust) -> Vec<Level> {
        for row in &ask.rows {
            let level = self.stock.entry(row.sku.clone()).or_default();
            level.0 = match row.change {
                Change::Delta(by) => level.0 + by,
                Change::Set(to) => to,
            };
        }
        self.levels(&ask.rows.iter().map(|row| row.sku.clone()).collect::<Vec<_>>())
    }

    fn levels(&self, skus: &[Sku]) -> Vec<Level> {
        let location = LocationId::derived(&["default"]);
        let level = |sku: &Sku| {
            let (on_hand, reserved) = *self.stock.get(sku)?;
            Some(Level {
                sku: sku.clone(),
                location: location.clone(),
                on_hand,
                reserved,
                available: on_hand - reserved,
            })
        };
        skus.iter().filter_map(level).collect()
    }
}

#[async_trait::async_trait]
impl Inventory for FakeInventory {
    async fn register(&self, _: &Call, ask: Register) -> Result<Registered, InventoryError> {
        assert!(ask.skus.len() <= 1_000, "at most 1,000 at once");
        let effect = || {
            let registered = &mut self.state.lock().expect("state").registered;
            let mut created = Vec::new();
            for one in ask.skus {
                if registered.insert(one.sku.clone(), one.clone()).is_none() {
                    created.push(one.sku);
                }
            }
            Ok(Registered { created })
        };
        self.script.run("register", effect).await
    }

    async fn reserve(&self, _: &Call, ask: Reserve) -> Result<Reservation, InventoryError> {
        self.script.run("reserve", || self.state.lock().expect("state").reserve(ask)).await
    }

    async fn commit(&self, _: &Call, ask: OfReservation) -> Result<Reservation, InventoryError> {
        self.script.run("commit", || self.state.lock().expect("state").commit(ask.id)).await
    }

    async fn release(&self, _: &Call, ask: OfReservation) -> Result<Reservation, InventoryError> {
        self.script.run("release", || Ok(self.state.lock().expect("state").release(ask.id))).await
    }

    async fn availability(&self, _: &Call, ask: AskAvailability) -> Result<Vec<Available>, InventoryError> {
        let effect = || {
            let state = self.state.lock().expect("state");
            let of = |sku: Sku| {
                let (on_hand, reserved) = state.stock.get(&sku).copied().unwrap_or_default();
                Available { sku, available: on_hand - reserved }
            };
            Ok(ask.skus.into_iter().map(of).collect())
        };
        self.script.run("availability", effect).await
    }

    async fn adjust(&self, _: &Call, ask: Adjust) -> Result<Vec<Level>, InventoryError> {
        self.script.run("adjust", || Ok(self.state.lock().expect("state").adjust(&ask))).await
    }

    async fn levels(&self, _: &Call, ask: AskLevels) -> Result<Vec<Level>, InventoryError> {
        self.script.run("levels", || Ok(self.state.lock().expect("state").levels(&ask.skus))).await
    }

    async fn reservations(&self, _: &Call, ask: AskReservations) -> Result<Vec<Reservation>, InventoryError> {
        let effect = || {
            let state = self.state.lock().expect("state");
            let of = |id: ReservationId| state.reservations.get(&id).map(|r| Reservation { id, state: r.state });
            Ok(ask.ids.into_iter().filter_map(of).collect())
        };
        self.script.run("reservations", effect).await
    }

    async fn events(&self, _: &Call, _: After) -> Result<Events, InventoryError> {
        Ok(Events::default())
    }

    async fn verify(&self, _: &Call, (): ()) -> Result<Audit, InventoryError> {
        Ok(Audit::default())
    }
}
