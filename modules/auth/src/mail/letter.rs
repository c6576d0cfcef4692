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
            Content::ResetCode { until, .. } | Content::Invited { until, .. } => now >= *until,
            Content::PasswordChanged | Content::SecondFactorOn | Content::SecondFactorOff | Content::Erased => false,
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
            Content::ResetCode { code, minutes, .. } => (
                "Your code for a new password",
                vec![
                    format!("Your code for a new password is {code}. It is good for {minutes} minutes, once."),
                    "Tell it to nobody: we never ask for it.".to_owned(),
                    "If this was not you, nothing has changed and there is nothing to do.".to_owned(),
                ],
            ),
            Content::Invited { token, days, .. } => (
                "You are invited",
                vec![
                    "You are invited to become a user of the shop, with a name and a password of your own.".to_owned(),
                    format!("Your invitation is {token}. It is good for {days} days, once."),
                    "Show it to nobody: whoever has it can use it.".to_owned(),
                    "If you did not expect this, there is nothing to do.".to_owned(),
                ],
            ),
            Content::PasswordChanged => (
                "Your password was changed",
                vec![
                    "The password of your account was changed, and every other session was ended.".to_owned(),
                    "If this was not you, ask for a code to set a new password at once.".to_owned(),
                ],
            ),
            Content::Erased => (
                "Your account was erased",
                vec![
                    "Your account was erased, as its owner wished: nobody can log in to it any more.".to_owned(),
                    "If this was not you, write to us.".to_owned(),
                ],
            ),
            Content::SecondFactorOn => (
                "Your account has a second factor",
                vec![
                    "From now on a login asks for a code of your authenticator, or for one of your recovery codes."
                        .to_owned(),
                    "If this was not you, set a new password at once and write to us.".to_owned(),
                ],
            ),
            Content::SecondFactorOff => (
                "Your account has no second factor any more",
                vec![
                    "From now on a login asks for your password alone.".to_owned(),
                    "If this was not you, set a new password at once and write to us.".to_owned(),
                ],
            ),
        }
    }
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
