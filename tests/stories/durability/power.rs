//! The power fails, or the disk does, in the middle of it all. A process that is killed proves little: what it wrote is
//! still in the kernel's memory. Here that is lost as well.

use super::clients::Clients;
use super::disk::Disk;
use super::{lower_synchronous, patient_shop};
use crate::deployment::Deployment;
use crate::strace;

/// Lets the clients trade until the power fails after so many answers, and starts the shop on what the disk then holds.
async fn lose_power(shop: &mut Deployment, clients: &mut Clients, answers: usize) {
    shop.stop();
    let disk = Disk::under(&shop.data());
    shop.serve_watched(&[]);
    clients.trade(shop, Some(answers)).await;
    shop.kill();
    disk.lose_power(&shop.data(), &strace::read(&shop.strace_log()));
    shop.serve();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_power_failed() {
    let mut shop = patient_shop();
    let mut clients = Clients::of(&shop).await;
    for answers in [20, 50, 90] {
        lose_power(&mut shop, &mut clients, answers).await;
        shop.until_all_are_terminal().await;
        clients.check(&shop).await;
    }
}

#[tokio::test]
async fn what_did_not_wait_for_the_disk_is_lost_with_the_power() {
    let mut shop = patient_shop();
    let mut clients = Clients::of(&shop).await;
    lower_synchronous(&mut shop, "normal");
    lose_power(&mut shop, &mut clients, 20).await;
    shop.until_all_are_terminal().await;
    assert!(clients.count_lost(&shop).await > 0);
}

/// Whether the kernel keeps what it could not sync or not, nobody was told of it.
#[tokio::test]
async fn a_disk_that_fails_to_sync_stops_the_process_and_nothing_acknowledged_is_lost() {
    let mut shop = patient_shop();
    let mut clients = Clients::of(&shop).await;
    for (database, kept) in ["shop", "inventory", "wallet"].into_iter().flat_map(|name| [(name, true), (name, false)]) {
        shop.stop();
        let disk = Disk::under(&shop.data());
        let [file, log] = ["db", "db-wal"].map(|kind| shop.data().join(format!("{database}.{kind}")));
        let [file, log] = [file, log].map(|path| path.display().to_string());
        shop.serve_watched(&["-P", &file, "-P", &log, "--inject=fdatasync,fsync:error=EIO:when=20"]);
        clients.trade(&shop, None).await;
        assert!(!shop.died().success(), "{database}");
        if !kept {
            disk.lose_power(&shop.data(), &strace::read(&shop.strace_log()));
        }
        shop.serve();
        shop.until_all_are_terminal().await;
        clients.check(&shop).await;
    }
}
