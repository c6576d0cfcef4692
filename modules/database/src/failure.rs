//! How work on a database ends when it does not succeed: refused by a rule, or failed by the storage.

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
    /// The database is being closed.
    #[error("the database is closed")]
    Stopped,
    /// A stored value cannot be read.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
}

impl StorageError {
    /// What it is by SQLite's own words; diesel keeps no error number.
    pub(crate) fn of(error: Error) -> Self {
        match &error {
            Error::DatabaseError(DatabaseErrorKind::Unknown, info) => match info.message() {
                "database or disk is full" => Self::Full,
                "database is locked" | "database table is locked" => Self::Locked,
                _ => Self::Query(error),
            },
            _ => Self::Query(error),
        }
    }

    /// Whether the page cache can no longer be trusted.
    pub(crate) fn is_io(&self) -> bool {
        matches!(self, Self::Query(Error::DatabaseError(_, info)) if info.message().starts_with("disk I/O error"))
    }

    /// Ends the process, so that the next one reads from the disk what is really on it.
    pub(crate) fn stop_the_process(&self, database: &str, at: &str) -> ! {
        tracing::error!(error = %self, database, "the disk failed at {at}; stopping");
        std::process::abort()
    }

    /// The same for another job of the same failed commit.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Locked => Self::Locked,
            other => Self::Query(Error::QueryBuilderError(other.to_string().into())),
        }
    }

    fn outage(&self) -> Outage {
        match self {
            Self::Full => Outage::StorageFull,
            Self::Locked | Self::LogFull | Self::QueueFull | Self::Stopped => Outage::Busy,
            Self::Query(_) | Self::Panicked | Self::TransactionEnded | Self::Corrupt(_) => Outage::Internal,
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
