//! How mail leaves: over SMTP, or, in a demonstration, to a list that staff can read.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use emporium_kernel::Timestamp;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use schemars::JsonSchema;
use serde::Serialize;

use super::Letter;
use crate::settings::{MailSettings, MailTls, MailTransport};

/// How long a server may take for one step.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many are kept for staff.
const KEPT: usize = 100;

/// The way out.
pub(crate) enum Post {
    /// There is none.
    None,
    /// A mail server.
    Smtp { server: Box<AsyncSmtpTransport<Tokio1Executor>>, from: Mailbox },
    /// A list in memory.
    Kept(Mutex<VecDeque<KeptMail>>),
}

/// A mail that was not sent but kept.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KeptMail {
    /// The address.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// Nobody will ever take it.
    #[error("it cannot be sent: {0}")]
    Impossible(String),
    /// The server did not take it this time.
    #[error("the mail server: {0}")]
    Server(#[from] lettre::transport::smtp::Error),
    /// It was stored with another secret; perhaps that comes back.
    #[error("it cannot be read with this shop's secret")]
    Unreadable,
    /// There is no way out.
    #[error("there is no mail server")]
    None,
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Post {
    /// As the settings say; an error says which of them is wrong.
    pub(crate) fn of(settings: &MailSettings) -> Result<Self, String> {
        match settings.transport {
            MailTransport::None => Ok(Self::None),
            MailTransport::Staff => Ok(Self::Kept(Mutex::default())),
            MailTransport::Smtp => {
                let from: Mailbox = settings.from.parse().map_err(|_| {
                    format!("mail.from is {:?}; write an address as in Shop <shop@example.com>", settings.from)
                })?;
                if settings.host.is_empty() {
                    return Err("mail.host names no server".to_owned());
                }
                let builder = match settings.tls {
                    MailTls::Implicit => AsyncSmtpTransport::<Tokio1Executor>::relay(&settings.host),
                    MailTls::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&settings.host),
                    MailTls::None if !is_this_machine(&settings.host) => {
                        return Err(format!(
                            "mail.tls is \"none\", and {} is not this machine: codes would be sent in the clear",
                            settings.host
                        ));
                    }
                    MailTls::None => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)),
                };
                let mut builder = builder.map_err(|error| format!("mail.host: {error}"))?;
                builder = builder.port(settings.port).timeout(Some(PATIENCE));
                if !settings.user.is_empty() {
                    builder = builder.credentials(Credentials::new(settings.user.clone(), settings.secret()?));
                }
                Ok(Self::Smtp { server: Box::new(builder.build()), from })
            }
        }
    }

    /// Whether mail can leave.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// What was kept, newest first; `None` where mail is sent.
    pub(crate) fn kept(&self) -> Option<Vec<KeptMail>> {
        match self {
            Self::Kept(kept) => Some(kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()),
            Self::None | Self::Smtp { .. } => None,
        }
    }

    /// Sends a letter.
    pub(crate) async fn send(&self, letter: &Letter, now: Timestamp) -> Result<(), PostError> {
        let rendered = letter.render();
        match self {
            Self::None => Err(PostError::None),
            Self::Kept(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.truncate(KEPT - 1);
                let (to, subject) = (letter.to.to_string(), rendered.subject.to_owned());
                kept.push_front(KeptMail { to, subject, text: rendered.text, at: now });
                Ok(())
            }
            Self::Smtp { server, from } => {
                let impossible = |why: &dyn std::fmt::Display| PostError::Impossible(why.to_string());
                let address = letter.to.as_str().parse().map_err(|error| impossible(&error))?;
                let message = Message::builder()
                    .from(from.clone())
                    .to(Mailbox::new(None, address))
                    .subject(rendered.subject)
                    .multipart(MultiPart::alternative_plain_html(rendered.text, rendered.html));
                let message = message.map_err(|error| impossible(&error))?;
                // What a server refuses for good today may be our own mistake, which somebody mends tomorrow.
                server.send(message).await?;
                Ok(())
            }
        }
    }
}
