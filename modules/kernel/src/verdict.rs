//! What a request does to something that has a life cycle. The rule that says so is a pure function of the state it
//! meets; whoever stores the state carries the verdict out, and a simulation can do the same without a database.

/// What follows from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<S> {
    /// It becomes this, once, together with what the change moves.
    Becomes(S),
    /// Nothing changes: it was done before, or there is nothing to do. This is the answer.
    Stays(S),
    /// Refused: it has ended otherwise.
    Ended(S),
    /// Refused: nobody has heard of it.
    Unknown,
}
