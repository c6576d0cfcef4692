//! How much earlier one of two begins, so that in many rounds of a race each of them wins some.

/// The first of two has this lead in steps of the race's own; less than nothing is the lead of the second.
#[derive(Clone, Copy)]
pub struct HeadStart {
    lead: i32,
    step: i32,
    most: i32,
    last: Option<bool>,
}

impl HeadStart {
    /// Nobody has a lead yet, and nobody will have more than this.
    pub fn up_to(most: i32) -> Self {
        Self { lead: 0, step: 1, most, last: None }
    }

    /// What the first and the second wait: one of them nothing.
    pub fn waits(self) -> (u32, u32) {
        ((-self.lead).max(0).unsigned_abs(), self.lead.max(0).unsigned_abs())
    }

    /// Whoever lost begins earlier the next time, and ever earlier while the same one goes on losing.
    pub fn note(&mut self, first_won: bool) {
        self.step = if self.last == Some(first_won) { (2 * self.step).min(self.most) } else { 1 };
        self.last = Some(first_won);
        self.lead = (self.lead + if first_won { -self.step } else { self.step }).clamp(-self.most, self.most);
    }
}
