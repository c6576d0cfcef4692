//! What the shop writes to its users, as text and as HTML.

use emporium_auth_api::Email;
use emporium_kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// A letter to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// The address.
    pub(crate) to: Email,
    pub(crate) content: Content,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    /// A code to set a new password with.
    ResetCode {
        code: String,
        minutes: u64,
        /// When it says nothing true any more.
        until: Timestamp,
    },
    /// An invitation to become a user.
    Invited {
        token: String,
        days: u64,
        /// When it says nothing true any more.
        until: Timestamp,
    },
    /// The password was set.
    PasswordChanged,
    /// A code that proves that this address is the reader's.
    AddressCode {
        code: String,
        minutes: u64,
        /// When it says nothing true any more.
        until: Timestamp,
    },
    /// Somebody wanted an account with this address, which has one.
    AddressTaken,
    /// The account has another address now.
    AddressChanged,
    /// An API key speaks for the account.
    ApiKeyMade,
    /// There is no such account any more.
    Erased,
    /// From now on a login asks for a second factor.
    SecondFactorOn,
    /// A login asks for a second factor no more.
    SecondFactorOff,
}

/// A letter as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) subject: &'static str,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Letter {
    /// Whether it would come too late.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        match &self.content {
            Content::ResetCode { until, .. } | Content::AddressCode { until, .. } | Content::Invited { until, .. } => {
                now >= *until
            }
            Content::PasswordChanged
            | Content::SecondFactorOn
            | Content::SecondFactorOff
            | Content::AddressTaken
            | Content::AddressChanged
            | Content::ApiKeyMade
            | Content::Erased => false,
        }
    }

    pub(crate) fn render(&self) -> Rendered {
        let (subject, paragraphs) = self.content.words();
        // Not by name: anybody can register any address, with any words for a name.
        let greeting = "Hello,".to_owned();
        let text = [std::slice::from_ref(&greeting), &paragraphs].concat().join("\n\n") + "\n";
        let body: String =
            [greeting].into_iter().chain(paragraphs).map(|part| format!("<p>{}</p>\n", escaped(&part))).collect();
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
             <body>\n{body}</body>\n</html>\n"
        );
        Rendered { subject, text, html }
    }
}

impl Content {
    fn words(&self) -> (&'static str, Vec<String>) {
        match self {
            Content::ResetCode { code, minutes, .. } => secret(
                "Your code for a new password",
                format!("Your code for a new password is {code}. It is good for {minutes} minutes, once."),
            ),
            Content::AddressCode { code, minutes, .. } => secret(
                "Your code",
                format!("The code that proves your address is {code}. It is good for {minutes} minutes, once."),
            ),
            Content::Invited { token, days, .. } => secret(
                "You are invited",
                format!(
                    "You are invited to become a user. Your invitation is {token}. It is good for {days} days, once."
                ),
            ),
            Content::PasswordChanged => notice(
                "Your password was changed",
                "The password of your account was changed, and every other session was ended.",
                "ask for a code to set a new password at once.",
            ),
            Content::SecondFactorOn => notice(
                "Your account has a second factor",
                "From now on a login asks for a code of your authenticator, or for one of your recovery codes.",
                "set a new password at once and write to us.",
            ),
            Content::SecondFactorOff => notice(
                "Your account has no second factor any more",
                "From now on a login asks for your password alone.",
                "set a new password at once and write to us.",
            ),
            Content::AddressTaken => notice(
                "You have an account already",
                "Somebody asked for an account with this address, which has one. Nothing was changed.",
                "there is nothing to do; if it was, log in, or ask for a code to set a new password.",
            ),
            Content::AddressChanged => notice(
                "Your account has another address",
                "From now on you log in with another address, and get no mail at this one any more.",
                "write to us at once.",
            ),
            Content::ApiKeyMade => notice(
                "Your account has a new API key",
                "An API key was made that speaks for your account.",
                "revoke it and set a new password at once.",
            ),
            Content::Erased => notice(
                "Your account was erased",
                "Your account was erased, as its owner wished: nobody can log in to it any more.",
                "write to us.",
            ),
        }
    }
}

/// Words around something that only the reader may know.
fn secret(subject: &'static str, what: String) -> (&'static str, Vec<String>) {
    let advice = "Tell it to nobody: we never ask for it.".to_owned();
    (subject, vec![what, advice, "If this was not you, nothing has changed and there is nothing to do.".to_owned()])
}

/// Words about something that was done, and what to do when it was not the reader.
fn notice(subject: &'static str, what: &str, otherwise: &str) -> (&'static str, Vec<String>) {
    (subject, vec![what.to_owned(), format!("If this was not you, {otherwise}")])
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_the_same_as_text_and_as_html_until_it_is_over() {
        let until = Timestamp::from_micros(1);
        let letter = Letter {
            to: Email::parse("ada@example.com").expect("an address"),
            content: Content::ResetCode { code: "012345".to_owned(), minutes: 10, until },
        };
        let rendered = letter.render();
        assert!(rendered.text.starts_with("Hello,\n\nYour code for a new password is 012345."));
        assert!(rendered.html.contains("<p>Hello,</p>") && rendered.html.contains("012345"));
        assert_eq!(escaped("<a b='c'>&\""), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;");
        assert!(letter.is_over(until) && !letter.is_over(Timestamp::from_micros(0)));
        let stored = serde_json::to_string(&letter).expect("writes");
        assert_eq!(serde_json::from_str::<Letter>(&stored).expect("reads"), letter);
    }
}
