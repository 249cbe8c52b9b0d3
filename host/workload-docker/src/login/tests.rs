//! Credentials from files and helpers.

use super::{Login, LoginFile, Logins};
use crate::error::ErrorKind;

async fn logins(text: &str) -> Logins {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), text).unwrap();
    Logins::read(folder.path()).await.unwrap()
}

fn shown(login: Option<Login>) -> Option<(String, String)> {
    login.map(|login| (login.username, login.password.expose().to_owned()))
}

#[tokio::test]
async fn a_login_stands_in_the_file() {
    // `me:p:w` in base64.
    let logins = logins(
        r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6cDp3"}, "r.example": {"identitytoken": "tok"}, "e.example": {}}}"#,
    )
    .await;
    let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(shown(logins.find("docker.io").await.unwrap()), pair("me", "p:w"));
    assert_eq!(shown(logins.find("r.example").await.unwrap()), pair("", "tok"));
    assert_eq!(shown(logins.find("e.example").await.unwrap()), None);
    assert_eq!(shown(logins.find("f.example").await.unwrap()), None);
}

#[test]
fn a_text_from_elsewhere_is_read_and_nobody_is_asked() {
    let file = LoginFile::new(
        r#"{"auths": {"r.example": {"username": "me", "password": "p:w"}, "e.example": {"auth": "bWU6cDp3"}}, "credsStore": "not-installed-here"}"#,
    );
    for registry in ["r.example", "e.example"] {
        assert_eq!(
            shown(file.login(registry).unwrap()),
            Some(("me".to_owned(), "p:w".to_owned())),
            "{registry}"
        );
    }
    assert_eq!(shown(file.login("f.example").unwrap()), None);
    assert_eq!(format!("{file:?}"), "LoginFile");
    let error = LoginFile::new("{\n\"auths\": hunter2").login("r.example").err().unwrap();
    assert_eq!(error.text, "read a file of logins: malformed in line 2");
}

#[tokio::test]
async fn no_file_means_no_login_and_a_damaged_one_shows_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Logins::read(folder.path()).await.unwrap().find("docker.io").await.unwrap().is_none());
    std::fs::write(folder.path().join("config.json"), "{\n\"auths\": hunter2").unwrap();
    let error = Logins::read(folder.path()).await.err().unwrap();
    assert!(error.text.ends_with("config.json`: malformed in line 2"), "{}", error.text);
    let damaged = logins(r#"{"auths": {"r.example": {"auth": "%%"}}}"#).await;
    let error = damaged.find("r.example").await.err().unwrap();
    assert_eq!(error.text, "read the login for `r.example`: it is damaged");
}

#[tokio::test]
async fn a_helper_that_is_not_there_is_named() {
    let config =
        logins(r#"{"credHelpers": {"r.example": "not-installed-here"}, "credsStore": "../x"}"#).await;
    let error = config.find("r.example").await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Specification);
    assert!(
        error.text.starts_with("ask `docker-credential-not-installed-here` for the login of `r.example`: ")
    );
    let error = config.find("s.example").await.err().unwrap();
    assert_eq!(error.text, "`../x` is no name of a credential helper");
}

#[test]
fn a_token_is_sent_as_a_token() {
    let token =
        Login { username: String::new(), password: crate::SecretText::new("tok") }.credentials("r.example");
    assert_eq!((token.identitytoken.as_deref(), token.password), (Some("tok"), None));
    let user =
        Login { username: "me".to_owned(), password: crate::SecretText::new("pw") }.credentials("docker.io");
    assert_eq!(user.serveraddress.as_deref(), Some("https://index.docker.io/v1/"));
    assert_eq!((user.username.as_deref(), user.password.as_deref()), (Some("me"), Some("pw")));
}
