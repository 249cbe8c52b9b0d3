//! Servers that speak HTTP, on the fake host.

use super::published;
use crate::Docker;
use gateway_plugin::fake::{self, FakeHost, check_endings};
use gateway_plugin::types::{Egress, Port, Protocol, ServerEndpoint, Transport};
use gateway_plugin::{ReleaseReason, Server, serde_json};

fn notes() -> Server {
    let mut server = fake::image_server("notes", "acme/notes:2");
    server.transport = Transport::StreamableHttp(ServerEndpoint {
        port: 3001,
        path: "/mcp".to_owned(),
        health_path: None,
        headers: Vec::new(),
    });
    server
}

fn port(container_port: u16, protocol: Protocol, host_port: Option<u16>) -> Port {
    Port { container_port, protocol, host_port }
}

fn line(server: &Server) -> String {
    let plan = FakeHost::new().plan::<Docker>(server).expect("nothing is in the way");
    let words: Vec<String> = serde_json::from_str(&plan.documents[0].text).expect("a JSON array");
    words.join(" ")
}

/// `provisioning.md` 7, 3.2-2.
#[test]
fn ports_are_published_on_loopback_immediately_before_the_image() {
    let mut server = notes();
    server.user = Some("1000".to_owned());
    let expected = "docker run --rm --init --security-opt no-new-privileges --pull never -l docker-mcp=true \
                    -l docker-mcp-tool-type=mcp -l docker-mcp-name=notes -l docker-mcp-transport=http -u 1000 \
                    -p 127.0.0.1::3001/tcp acme/notes:2";
    assert_eq!(line(&server), expected);
    server.network.ports = vec![port(53, Protocol::Udp, None), port(3001, Protocol::Tcp, Some(9000))];
    let ports = "-p 127.0.0.1::53/udp -p 127.0.0.1:9000:3001/tcp acme/notes:2";
    assert!(line(&server).ends_with(ports), "{}", line(&server));
    assert_eq!(published(&server), server.network.ports);
}

#[test]
fn a_server_is_waited_for_and_nothing_is_left_however_it_ends() {
    let host = FakeHost::new();
    host.provision::<Docker>(&notes()).expect("nothing is in the way");
    let waits = "wait until something answers on port 3001 of container `mcp-notes-r234567890123456`";
    assert_eq!(host.progress().last().map(String::as_str), Some(waits));
    host.release::<Docker>(ReleaseReason::Ended).expect("it is there");
    assert_eq!(host.left(), []);
    assert_eq!(check_endings::<Docker>(FakeHost::new, &notes()), Ok(()));
}

#[test]
fn a_server_without_a_way_out_is_reached_through_a_proxy_that_lets_nothing_out() {
    let mut server = notes();
    server.network.egress = Egress::None;
    let host = FakeHost::new();
    host.provision::<Docker>(&server).expect("nothing is in the way");
    let started = host.containers_started().pop().expect("started");
    assert_eq!((started.publish, started.network_aliases), (vec![], vec!["server".to_owned()]));
    assert_eq!(started.networks, ["mcp-egress-r234567890123456-inside"]);
    host.release::<Docker>(ReleaseReason::Ended).expect("it is there");
    assert_eq!(host.left(), []);
}
