//! Behaves as its first argument says, which is mostly badly: the engine's limits and its sentences are tested with it.

use std::hint::black_box;
use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mode: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match mode.as_slice() {
        ["echo"] => echo(),
        // Uses the processor for so many milliseconds per line it reads, then answers with the line.
        ["work", millis] => work(millis.parse().expect("milliseconds")),
        ["spin"] => spin(),
        // Answers one line, then never gives the processor back.
        ["spin-after-line"] => {
            let mut line = String::new();
            io::stdin().read_line(&mut line).expect("read");
            print!("{line}");
            spin();
        }
        ["memory"] => memory(),
        ["trap"] => panic!("as asked"),
        ["exit", code] => std::process::exit(code.parse().expect("a code")),
        ["recurse"] => println!("{}", recurse(1)),
        ["flood-stdout"] => flood(io::stdout()),
        ["flood-stderr"] => flood(io::stderr()),
        // Fills standard error with a known number of numbered lines, then says so.
        ["stderr-lines", count] => {
            for n in 0..count.parse().expect("a count") {
                eprintln!("line {n}");
            }
            println!("done");
            let _ = io::stdin().read_line(&mut String::new());
        }
        ["silent"] => {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
        }
        ["rubbish"] => {
            println!("this is not JSON");
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
        }
        ["sleep"] => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        ["environment"] => {
            println!("{arguments:?}");
            for (name, value) in std::env::vars() {
                println!("{name}={value}");
            }
        }
        ["write-file", path] => report(std::fs::write(path, "written by a guest")),
        ["read-file", path] => match std::fs::read_to_string(path) {
            Ok(text) => println!("ok {text}"),
            Err(e) => println!("error {e}"),
        },
        // Opens the same file until it is refused, and says how often that worked.
        ["open-files", path] => {
            let mut files = Vec::new();
            while let Ok(file) = std::fs::File::open(path) {
                files.push(file);
            }
            println!("{}", files.len());
        }
        ["connect", host, port] => connect(host, port.parse().expect("a port")),
        ["listen"] => report(std::net::TcpListener::bind("127.0.0.1:0")),
        ["udp"] => report(std::net::UdpSocket::bind("127.0.0.1:0")),
        _ => {
            eprintln!("unknown mode {mode:?}");
            std::process::exit(2);
        }
    }
}

fn report<T>(result: io::Result<T>) {
    match result {
        Ok(_) => println!("ok"),
        Err(e) => println!("error {e}"),
    }
}

fn echo() {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).expect("read") > 0 {
        output.write_all(&line).expect("write");
        output.flush().expect("flush");
        line.clear();
    }
}

fn work(millis: u64) {
    for line in io::stdin().lock().lines() {
        let until = Instant::now() + Duration::from_millis(millis);
        while Instant::now() < until {
            black_box(0);
        }
        println!("{}", line.expect("read"));
    }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn memory() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

fn recurse(n: u64) -> u64 {
    if n == 0 { 0 } else { black_box(recurse(black_box(n + 1))) + 1 }
}

fn flood(mut to: impl Write) {
    let line = [b"x".repeat(1023).as_slice(), b"\n"].concat();
    while to.write_all(&line).is_ok() {}
}

fn connect(host: &str, port: u16) {
    match std::net::TcpStream::connect((host, port)) {
        Ok(mut stream) => {
            let mut text = String::new();
            report(stream.write_all(b"hello\n").and_then(|()| stream.read_to_string(&mut text)));
            println!("{text}");
        }
        Err(e) => println!("error {e}"),
    }
}
