// SPDX-License-Identifier: GPL-2.0

//! Insmod is killed while it makes threads.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{delay::msleep, kthread::KThread};

module! {
    type: Test,
    name: "safe_killed",
    authors: ["kmodlab"],
    description: "Insmod is killed while it makes threads",
    license: "GPL",
}

struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let drops = Arc::new(AtomicU32::new(0), GFP_KERNEL)?;
        pr_info!("kill me\n");
        msleep(2000);
        let (mut made, mut eintr, mut eagain) = (0, 0, 0);
        for _ in 0..300 {
            let counted = Counted(drops.clone());
            match KThread::create(c_str!("killed"), move |ctx| {
                ctx.sleep_until_stopped();
                counted.0.load(SeqCst)
            }) {
                Ok(thread) => {
                    thread.start();
                    made += 1;
                    drop(thread);
                }
                Err(error) if error == EINTR => eintr += 1,
                Err(error) if error == EAGAIN => eagain += 1,
                Err(error) => pr_info!("{error:?}\n"),
            }
        }
        pr_info!("made {made}, EINTR {eintr}, EAGAIN {eagain}, dropped {}\n", drops.load(SeqCst));
        Ok(Test)
    }
}
