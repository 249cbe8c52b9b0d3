//! Interceptors that are URLs: a POST with the input as its body and no header of ours; the body of the answer is the output, whatever the status,
//! as with the original. The URL stands in the operator's own command line, so it may lead anywhere, also without TLS.

use crate::{OUTPUT, WITHIN, too_slow};
use async_trait::async_trait;
use bytes::Bytes;
use host_gateway::{Interceptor, When};
use host_web::{Access, Endpoint, EndpointConfig};
use http::{Method, Request};
use std::sync::Arc;

struct Post {
    when: When,
    endpoint: Result<Endpoint, String>,
}

pub(crate) fn new(when: When, url: String) -> Arc<dyn Interceptor> {
    let config = EndpointConfig {
        reserved: &[],
        ..EndpointConfig::new(url, Vec::new(), Access::new(|_, _| true, ""))
    };
    Arc::new(Post { when, endpoint: Endpoint::new(config).map_err(|error| error.to_string()) })
}

#[async_trait]
impl Interceptor for Post {
    fn when(&self) -> When {
        self.when
    }

    async fn run(&self, input: Bytes) -> Result<Option<Bytes>, String> {
        let failed = |error: &dyn std::fmt::Display| format!("making HTTP request: {error}");
        let endpoint = self.endpoint.as_ref().map_err(|error| failed(error))?;
        let mut request = Request::new(input);
        *request.method_mut() = Method::POST;
        let answer = async {
            let response = endpoint.send(endpoint.target(), &request).await?;
            response.into_body().all(OUTPUT).await
        };
        let body = tokio::time::timeout(WITHIN, answer).await;
        let body = body.map_err(|_| failed(&too_slow()))?.map_err(|error| failed(&error))?;
        Ok(Some(body).filter(|body| !body.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one request with these bytes, and gives what it got.
    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
        let got = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut got, mut piece) = (Vec::new(), [0; 4096]);
            while !got.ends_with(b"}") {
                let n = stream.read(&mut piece).await.unwrap();
                got.extend_from_slice(&piece[..n]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(got).unwrap()
        });
        (url, got)
    }

    #[tokio::test]
    async fn the_body_is_the_result_whatever_the_status() {
        let (url, got) =
            server("HTTP/1.1 500 Oh\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{\"content\":[]}")
                .await;
        let interceptor = new(When::After, url);
        let body = interceptor.run(Bytes::from_static(b"{\"in\":1}")).await.unwrap().unwrap();
        assert_eq!(body, "{\"content\":[]}");
        let got = got.await.unwrap();
        assert!(got.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{got}");
        assert!(got.ends_with("\r\n\r\n{\"in\":1}"), "{got}");
        assert!(!got.to_lowercase().contains("content-type"), "{got}");
    }

    #[tokio::test]
    async fn an_empty_body_is_no_output() {
        let (url, _) = server("HTTP/1.1 204 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert_eq!(new(When::After, url).run(Bytes::from_static(b"{}")).await, Ok(None));
    }

    #[tokio::test]
    async fn nobody_there_and_no_url_are_errors_of_the_call() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        for url in [format!("http://{closed}/"), "not-a-url".to_owned(), String::new()] {
            let error = new(When::After, url.clone()).run(Bytes::new()).await.unwrap_err();
            assert!(error.starts_with("making HTTP request: "), "{url}: {error}");
        }
    }
}
