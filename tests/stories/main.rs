//! Stories: what a shop does for those who use it, told through its real binary over real sockets.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::print_stdout, reason = "some stories tell how they went")]
#![expect(
    clippy::disallowed_methods,
    reason = "stories stand outside: they look at the clock and the network themselves"
)]

#[macro_use]
mod deployment;
#[path = "../support/head_start.rs"]
mod head_start;
#[path = "../support/mariadbd.rs"]
mod mariadbd;
#[path = "../support/smtpd.rs"]
mod smtpd;

mod access;
mod answers;
mod attempts;
mod audit;
mod bad_input;
mod bank;
mod books;
mod buying;
mod carts;
mod commands;
mod documents;
mod door;
mod durability;
mod failpoints;
mod failpoints_aside;
mod failpoints_feed;
mod failpoints_late;
mod failpoints_split;
mod flash_sale;
mod importing;
mod kills;
mod mail;
mod openapi;
mod personal;
mod process;
mod processes;
mod races;
mod request;
mod services;
mod sessions;
mod strace;
