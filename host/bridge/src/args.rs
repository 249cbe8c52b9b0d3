//! The command line.

use clap::{Parser, ValueEnum};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Puts a TCP port or unix socket in front of an MCP server that speaks over standard streams
///
/// Each connection runs the program once. It is started by the first byte that arrives, not by the connection, so probes of the port start
/// nothing. When the program ends, the connection is closed; when the connection is closed, the program's standard input is, then it
/// is asked to end, then it is killed with everything it started.
#[derive(Debug, Parser)]
#[command(name = "gateway-bridge", version)]
pub(crate) struct Args {
    /// Where to listen: `address:port`, `:port` for all addresses, or the absolute path of a unix socket
    #[arg(long, default_value = ":4444", value_name = "ADDRESS|PATH")]
    pub(crate) listen: Address,

    /// Where to answer `GET` with 200 as long as connections are accepted; starts nothing
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) health: Option<Address>,

    /// Programs that may run at once; a connection beyond it is closed
    #[arg(long, default_value = "64", value_name = "N")]
    pub(crate) max_sessions: u32,

    /// A file with a token that must be the first line of every connection
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// The same in an environment variable, which the program does not get; for platforms that hand secrets out in no other way
    #[arg(long, value_name = "NAME", conflicts_with = "token_file", value_parser = variable)]
    pub(crate) token_variable: Option<String>,

    /// Close a connection that has sent nothing for this long after it was opened
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = time)]
    pub(crate) first_byte_timeout: Duration,

    /// Close a connection on which nothing was sent in either direction for this long
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) idle_timeout: Option<Duration>,

    /// Time for a program to end after its standard input was closed, and again after it was asked to
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = time)]
    pub(crate) grace: Duration,

    /// Time for open connections to end by themselves after SIGTERM
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = time)]
    pub(crate) drain: Duration,

    /// What becomes of the program's standard error
    #[arg(long, default_value = "inherit", value_enum, value_name = "WHAT")]
    pub(crate) stderr: Stderr,

    /// Copy this program to a path, as an executable file, and end; for images without a shell
    #[arg(long, value_name = "PATH", exclusive = true)]
    pub(crate) install: Option<PathBuf>,

    /// Listen nowhere: run the program once, for whoever is attached to this container, and tell both its streams and its exit code apart
    #[arg(long, conflicts_with_all = ["listen", "health"])]
    pub(crate) attached: bool,

    /// Say by the exit code whether something accepts connections at this address, and end; for probes in images without a shell
    #[arg(long, value_name = "ADDRESS", exclusive = true)]
    pub(crate) probe: Option<SocketAddr>,

    /// The program and its arguments
    #[arg(
        required_unless_present_any = ["install", "probe"],
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    pub(crate) program: Vec<String>,
}

/// What becomes of a program's standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stderr {
    /// It is the bridge's own
    Inherit,
    /// Each line goes to the bridge's own, behind the number of its connection
    Prefix,
    /// It is thrown away
    Drop,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self::Unix(PathBuf::from(text)));
        }
        // All addresses, of both families where the system has both.
        let written = match text.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None => text.to_owned(),
        };
        written
            .parse()
            .map(Self::Tcp)
            .map_err(|_| "write `address:port`, `:port`, or an absolute path".to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A name that an environment can hold.
fn variable(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.contains(['=', '\0']);
    fits.then(|| text.to_owned()).ok_or_else(|| "write the name of an environment variable".to_owned())
}

/// `500ms`, `30s`, `5m`, `1h`.
fn time(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a whole number with its unit: `500ms`, `30s`, `5m`, `1h`".to_owned()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    let number: u32 = digits.parse().map_err(|_| "this number is missing, or too large".to_owned())?;
    Ok(Duration::from_millis(u64::from(number) * millis))
}

#[cfg(test)]
mod tests {
    use super::{Address, Args, time};
    use clap::{CommandFactory, Parser};
    use std::time::Duration;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn everything_after_the_program_is_the_programs() {
        let words = ["gateway-bridge", "--listen", "127.0.0.1:1", "server", "--listen", "x", "-v"];
        let args = Args::try_parse_from(words).unwrap();
        assert_eq!(args.program, ["server", "--listen", "x", "-v"]);
        assert_eq!(args.listen, Address::Tcp("127.0.0.1:1".parse().unwrap()));
    }

    #[test]
    fn a_missing_program_is_a_mistake_of_usage() {
        let error = Args::try_parse_from(["gateway-bridge", "--listen", ":1"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("<PROGRAM>..."), "{error}");
        assert!(Args::try_parse_from(["gateway-bridge", "--install", "/x"]).unwrap().install.is_some());
    }

    #[test]
    fn a_token_comes_from_one_place() {
        let words = ["gateway-bridge", "--token-variable", "TOKEN", "--", "server"];
        assert_eq!(Args::try_parse_from(words).unwrap().token_variable.as_deref(), Some("TOKEN"));
        for wrong in [
            &["--token-variable", ""][..],
            &["--token-variable", "A=B"],
            &["--token-variable", "A", "--token-file", "b"],
        ] {
            let words = [&["gateway-bridge"], wrong, &["server"]].concat();
            assert!(Args::try_parse_from(words).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn addresses_and_times_are_read() {
        for (text, shown) in [(":4444", "[::]:4444"), ("[::1]:1", "[::1]:1"), ("/run/a.sock", "/run/a.sock")]
        {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in ["4444", "host:1", "", "a.sock", ":x"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert!(
            time("5").is_err() && time("s").is_err() && time("-1s").is_err() && time("99999999999s").is_err()
        );
    }
}
