//! A forgotten password, over a real mail server.

use serde_json::json;

use crate::deployment::{Deployment, Shape};
use crate::request::post;
use crate::smtpd::Smtpd;

everywhere!(a_forgotten_password_is_set_anew_with_a_code_that_was_mailed);

const ADA: &str = "ada@example.com";

fn settings(server: &Smtpd) -> Vec<(&'static str, String)> {
    vec![
        ("EMPORIUM_AUTH__MAIL__TRANSPORT", "smtp".to_owned()),
        ("EMPORIUM_AUTH__MAIL__HOST", "localhost".to_owned()),
        ("EMPORIUM_AUTH__MAIL__PORT", server.port.to_string()),
        ("EMPORIUM_AUTH__MAIL__FROM", "The shop <shop@example.com>".to_owned()),
        ("EMPORIUM_AUTH__MAIL__TLS", "none".to_owned()),
    ]
}

/// The six digits of a mail.
fn code(mail: &str) -> String {
    let text = mail.replace("=\r\n", "");
    let (_, rest) = text.split_once("Your code for a new password is ").expect("the text");
    rest.chars().take_while(char::is_ascii_digit).collect()
}

async fn forget(shop: &Deployment) {
    shop.send(post("/v1/auth/password/forgot").json(&json!({"email": ADA}))).await.expect(202);
}

async fn a_forgotten_password_is_set_anew_with_a_code_that_was_mailed(shape: Shape) {
    let server = Smtpd::start();
    let mut shop = Deployment::start_with(shape, &settings(&server));
    shop.signed_up(ADA).await;
    server.set_busy(true);
    forget(&shop).await;
    shop.send(post("/v1/auth/password/forgot").json(&json!({"email": "nobody@example.com"}))).await.expect(202);
    // Neither a server that takes nothing nor the end of the process loses it.
    shop.kill();
    server.set_busy(false);
    shop.serve();
    let mail = server.until(1).await.remove(0);
    assert!(mail.starts_with("X-To: ada@example.com\n"), "{mail}");
    assert!(
        mail.contains("From: \"The shop\" <shop@example.com>") || mail.contains("From: The shop <shop@example.com>"),
        "{mail}"
    );
    assert!(mail.contains("Subject: Your code for a new password"), "{mail}");
    assert!(mail.contains("text/plain") && mail.contains("text/html"), "{mail}");
    let new = json!({"email": ADA, "code": code(&mail), "new_password": "coffee at five o'clock"});
    let login = json!({"email": ADA, "password": "coffee at five o'clock"});
    shop.send(post("/v1/auth/password/reset").json(&new)).await.expect(204);
    shop.send(post("/v1/auth/login").json(&login)).await.expect(200);
    let told = server.until(2).await.remove(1);
    assert!(told.contains("Subject: Your password was changed"), "{told}");
    assert_eq!(server.mails().len(), 2, "nobody else got any");
}

#[tokio::test]
async fn mail_goes_over_tls_that_is_asked_for_to_a_server_that_can_be_trusted_and_to_no_other() {
    goes_to_trusted_servers_alone("starttls").await;
}

#[tokio::test]
async fn mail_goes_over_tls_from_the_beginning_to_a_server_that_can_be_trusted_and_to_no_other() {
    goes_to_trusted_servers_alone("implicit").await;
}

async fn goes_to_trusted_servers_alone(mode: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, authority) = Smtpd::secure(folder.path(), mode);
    let mut secure = settings(&server);
    secure.extend([
        ("EMPORIUM_AUTH__MAIL__TLS", mode.to_owned()),
        ("EMPORIUM_AUTH__MAIL__USER", "shop".to_owned()),
        ("EMPORIUM_AUTH__MAIL__PASSWORD", "a long secret".to_owned()),
    ]);
    let mut shop = Deployment::start_with(Shape::OnSqlite, &secure);
    shop.signed_up(ADA).await;
    forget(&shop).await;
    let tried = |shop: &Deployment| {
        let waiting = shop.told(&["doctor"], 0)["checks"].to_string();
        waiting.contains("1 wait to be sent, 1 of them were tried already")
    };
    while !tried(&shop) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(server.mails().is_empty(), "nobody vouches for this server");
    shop.stop();
    shop.trust(&authority);
    shop.serve();
    let mail = server.until(1).await.remove(0);
    assert!(mail.contains("Subject: Your code for a new password"), "{mail}");
    assert!(!shop.told(&["config", "show"], 0).to_string().contains("a long secret"));
}
