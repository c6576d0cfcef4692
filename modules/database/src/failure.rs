//! How work on a database ends when it does not succeed: refused by a rule, or failed by the storage.

use std::fmt::Display;

use diesel::result::{DatabaseErrorKind, Error};
use emporium_kernel::{Fault, Outage, current_request_id};

/// A refusal to be told to the caller, or a failure of the storage.
#[derive(Debug)]
pub enum Failure<E> {
    /// A rule said no; the transaction changes nothing.
    Refused(E),
    /// The storage did not do it.
    Storage(StorageError),
}

/// Ends work with a refusal.
pub fn refuse<T, E>(refusal: impl Into<E>) -> Result<T, Failure<E>> {
    Err(Failure::Refused(refusal.into()))
}

/// Ends work that another transaction overtook between two of its statements. Where transactions run at the same time
/// the work is then run again.
pub fn overtaken<T, E>() -> Result<T, Failure<E>> {
    Err(Failure::Storage(StorageError::Conflict))
}

/// What the storage did not do, and why.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A query failed.
    #[error(transparent)]
    Query(#[from] Error),
    /// The disk or the allowed size is full.
    #[error("the storage is full")]
    Full,
    /// Another process holds the database.
    #[error("the database is locked by another process")]
    Locked,
    /// A reader that does not end keeps the log from being written back, and it is as long as it may become.
    #[error("the log is full: a reader has not ended for a long time")]
    LogFull,
    /// The queue of writes or reads is full.
    #[error("too many are waiting for the database")]
    QueueFull,
    /// The work panicked.
    #[error("the work on the database panicked")]
    Panicked,
    /// The work ended the transaction that it was part of.
    #[error("the work ended its own transaction")]
    TransactionEnded,
    /// The server ended the transaction for the sake of another one, again and again.
    #[error("the transaction met others too often")]
    Conflict,
    /// The server does not answer; nothing was done.
    #[error("the connection to the database was lost")]
    Lost,
    /// The connection was lost in a commit, and nobody could be asked whether it was done.
    #[error("the connection to the database was lost in a commit")]
    Unknown,
    /// It was opened for reading.
    #[error("a write on a database that was opened for reading")]
    ReadOnly,
    /// The database is being closed.
    #[error("the database is closed")]
    Stopped,
    /// A stored value cannot be read.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
}

impl StorageError {
    /// What it is by the engine's own words; diesel keeps no error number.
    pub(crate) fn of(error: Error) -> Self {
        match &error {
            Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Conflict,
            Error::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => Self::Lost,
            Error::DatabaseError(DatabaseErrorKind::Unknown, info) => match info.message() {
                "database or disk is full" => Self::Full,
                "database is locked" | "database table is locked" => Self::Locked,
                message => Self::of_server(message).unwrap_or(Self::Query(error)),
            },
            _ => Self::Query(error),
        }
    }

    #[cfg(feature = "mysql")]
    fn of_server(message: &str) -> Option<Self> {
        crate::mysql::error_of(message)
    }

    #[cfg(not(feature = "mysql"))]
    fn of_server(_: &str) -> Option<Self> {
        None
    }

    /// Whether the same work may succeed when it is run again at once: another transaction was in its way, or the
    /// connection was lost before the commit. What makes a key taken or a reference dangle was done by another
    /// transaction meanwhile, or else the work would have seen it.
    #[cfg(feature = "mysql")]
    pub(crate) fn passes(&self) -> bool {
        use DatabaseErrorKind::{ForeignKeyViolation, UniqueViolation};
        match self {
            Self::Query(Error::DatabaseError(kind, _)) => matches!(kind, UniqueViolation | ForeignKeyViolation),
            other => matches!(other, Self::Conflict | Self::Lost),
        }
    }

    /// Whether the page cache can no longer be trusted.
    pub(crate) fn is_io(&self) -> bool {
        matches!(self, Self::Query(Error::DatabaseError(_, info)) if info.message().starts_with("disk I/O error"))
    }

    /// The same for another job of the same failed commit.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Locked => Self::Locked,
            other => Self::Query(Error::QueryBuilderError(other.to_string().into())),
        }
    }

    /// Whether it says so itself, and only has too much to do or nowhere to put it.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self, Self::Full | Self::LogFull | Self::Locked | Self::QueueFull | Self::Stopped | Self::Conflict)
    }

    fn outage(&self) -> Outage {
        match self {
            Self::Full => Outage::StorageFull,
            Self::Locked | Self::LogFull | Self::QueueFull | Self::Stopped | Self::Conflict | Self::Lost => {
                Outage::Busy
            }
            Self::Unknown => Outage::Unreachable,
            Self::Query(_) | Self::Panicked | Self::TransactionEnded | Self::ReadOnly | Self::Corrupt(_) => {
                Outage::Internal
            }
        }
    }
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Storage(StorageError::of(error))
    }
}

impl<E> From<StorageError> for Failure<E> {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl<E> Failure<E> {
    /// A stored value that no code of ours can have written.
    pub fn corrupt(what: impl std::fmt::Display) -> Self {
        Self::Storage(StorageError::Corrupt(what.to_string()))
    }

    /// Whether a unique key was already taken.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Storage(StorageError::Query(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))))
    }

    /// The same failure with another kind of refusal.
    pub fn map<R>(self, change: impl FnOnce(E) -> R) -> Failure<R> {
        match self {
            Self::Refused(refusal) => Failure::Refused(change(refusal)),
            Self::Storage(error) => Failure::Storage(error),
        }
    }
}

impl<E: Fault> Failure<E> {
    /// The caller's error. A storage failure is logged here, once, with its cause, which goes no further.
    pub fn into_fault(self) -> E {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Storage(error) => {
                let outage = error.outage();
                let request_id = current_request_id().map(|id| id.to_string());
                if outage == Outage::Internal {
                    tracing::error!(%error, request_id, "the storage failed");
                } else {
                    tracing::warn!(%error, request_id, "the storage refused");
                }
                outage.into()
            }
        }
    }
}

/// Ends the process, so that the next one reads from the disk what is really on it.
pub(crate) fn stop_the_process(error: &impl Display, database: &str, at: &str) -> ! {
    tracing::error!(%error, database, "the disk failed at {at}; stopping");
    std::process::abort()
}
