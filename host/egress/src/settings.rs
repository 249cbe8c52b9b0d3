//! What the program is to do, a line for each thing:
//!
//! ```text
//! inside 172.20.0.2              the address in the network of the server; all doors to the outside are there, and nowhere else
//! outside 172.17.0.3             an address in another network; doors to the server are there
//! proxy 8080                     port of the HTTP proxy
//! names                          answer questions for names on port 53
//! allow http api.example 443     HTTP or TLS to a name, an address, `*.name` (one or more labels) or `*`; port `*`: any
//! allow tcp db.example 5432      anything over TCP
//! public                         whatever has a public address
//! ingress 3001 server            lead port 3001 to the same port of that host
//! ```

use crate::rules::{Rule, Rules};
use std::net::IpAddr;

/// See the module.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) inside: IpAddr,
    pub(crate) outside: Vec<IpAddr>,
    pub(crate) proxy: Option<u16>,
    pub(crate) names: bool,
    pub(crate) rules: Rules,
    pub(crate) ingress: Vec<(u16, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inside: IpAddr::from([0, 0, 0, 0]),
            outside: Vec::new(),
            proxy: None,
            names: false,
            rules: Rules::default(),
            ingress: Vec::new(),
        }
    }
}

impl Settings {
    /// Takes a line in.
    pub(crate) fn add(&mut self, line: &str) -> Result<(), String> {
        let bad = || format!("the setting `{line}` is not known");
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = |text: &str| text.parse::<IpAddr>().map_err(|_| bad());
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad);
        match words.as_slice() {
            ["inside", at] => self.inside = address(at)?,
            ["outside", at] => self.outside.push(address(at)?),
            ["proxy", port] => self.proxy = Some(number(port)?),
            ["names"] => self.names = true,
            ["public"] => self.rules.public = true,
            ["allow", protocol @ ("http" | "tcp"), host, port] => {
                let port = if *port == "*" { None } else { Some(number(port)?) };
                self.rules.add(Rule::new(*protocol == "tcp", host, port).ok_or_else(bad)?);
            }
            ["ingress", port, host] => self.ingress.push((number(port)?, (*host).to_owned())),
            _ => return Err(bad()),
        }
        Ok(())
    }

    /// The settings, if they are complete.
    pub(crate) fn checked(self) -> Result<Self, String> {
        if self.inside.is_unspecified() {
            return Err("the setting `inside` is missing".to_owned());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_in_and_others_refused() {
        let mut settings = Settings::default();
        for line in [
            "inside 10.0.0.2",
            "outside 10.1.0.2",
            "proxy 8080",
            "names",
            "allow http *.example 443",
            "allow tcp db.example 5432",
            "ingress 3001 server",
        ] {
            settings.add(line).unwrap();
        }
        let settings = settings.checked().unwrap();
        assert_eq!(settings.rules.ports(), [443, 5432]);
        for line in
            ["", "inside x", "allow udp h 1", "allow http h 0", "allow http a b 1", "allow tcp *x 1", "else"]
        {
            let error = Settings::default().add(line).unwrap_err();
            assert_eq!(error, format!("the setting `{line}` is not known"));
        }
        assert_eq!(Settings::default().checked().unwrap_err(), "the setting `inside` is missing");
    }
}
