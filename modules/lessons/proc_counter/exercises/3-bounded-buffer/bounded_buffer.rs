// SPDX-License-Identifier: GPL-2.0

//! A thread puts numbers into a buffer of a few places, another takes them out, and a file in `/proc`
//! shows the numbers that are between the two.

use core::fmt::Write;

use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    module_param,
    proc::{ProcEntry, ProcFile, SeqFile},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: BoundedBuffer,
    name: "bounded_buffer",
    authors: ["kmodlab"],
    description: "A bounded buffer between two threads",
    license: "GPL",
}

module_param! {
    CONSUME: bool = true,
    name: "consume",
    description: "Whether there is a thread that takes numbers out",
}

/// Number of places in the buffer.
const SIZE: usize = 4;

/// The last number; the first one is 1.
const LAST: u32 = 12;

/// The numbers between the two threads.
struct Buffer {
    numbers: [u32; SIZE],
    /// The place of the oldest number.
    first: usize,
    count: usize,
}

impl Buffer {
    fn is_full(&self) -> bool {
        self.count == SIZE
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the number that has `before` older ones.
    fn get(&self, before: usize) -> u32 {
        self.numbers[(self.first + before) % SIZE]
    }

    /// Adds a number to a buffer that is not full.
    fn add(&mut self, number: u32) {
        self.numbers[(self.first + self.count) % SIZE] = number;
        self.count += 1;
    }

    /// Removes the oldest number from a buffer that is not empty.
    fn remove(&mut self) -> u32 {
        let number = self.get(0);
        self.first = (self.first + 1) % SIZE;
        self.count -= 1;
        number
    }
}

#[pin_data]
struct Shared {
    #[pin]
    buffer: Mutex<Buffer>,
    /// Both threads wait here, for room and for numbers.
    #[pin]
    queue: WaitQueue,
}

/// Waits until there is room and adds a number. Returns false if the thread must stop.
fn put(ctx: &Ctx, shared: &Shared, number: u32) -> bool {
    // TODO 1: sleep until there is room in the buffer or the thread must stop. Then add the number, and
    // wake the other thread.
    //@ 1 {
    shared
        .queue
        .wait_event(|| !shared.buffer.lock().is_full() || ctx.should_stop());
    if ctx.should_stop() {
        return false;
    }
    shared.buffer.lock().add(number);
    shared.queue.wake_up();
    true
    //@ 1 } instead: let _ = (ctx, shared, number, &shared.queue, Buffer::is_full, Buffer::add);\nfalse
}

/// Waits until there is a number and removes it. Returns `None` if the thread must stop.
fn take(ctx: &Ctx, shared: &Shared) -> Option<u32> {
    // TODO 2: sleep until there is a number in the buffer or the thread must stop. Then remove the
    // oldest number, and wake the other thread.
    //@ 2 {
    shared
        .queue
        .wait_event(|| !shared.buffer.lock().is_empty() || ctx.should_stop());
    if ctx.should_stop() {
        return None;
    }
    let number = shared.buffer.lock().remove();
    shared.queue.wake_up();
    Some(number)
    //@ 2 } instead: let _ = (ctx, shared, Buffer::is_empty, Buffer::remove);\nNone
}

fn producer(ctx: &Ctx, shared: &Shared) {
    for number in 1..=LAST {
        if !put(ctx, shared, number) {
            return;
        }
        pr_info!("put {number}\n");
    }
}

fn consumer(ctx: &Ctx, shared: &Shared) {
    while let Some(number) = take(ctx, shared) {
        pr_info!("took {number}\n");
        msleep(100);
    }
}

struct BufferFile {
    shared: Arc<Shared>,
}

#[vtable]
impl ProcFile for BufferFile {
    fn show(&self, out: &mut SeqFile) -> Result {
        let buffer = self.shared.buffer.lock();
        write!(out, "{} of {SIZE}:", buffer.count)?;
        // TODO 3: write the numbers, the oldest first, each with a space before it.
        //@ 3 {
        for before in 0..buffer.count {
            write!(out, " {}", buffer.get(before))?;
        }
        //@ 3 } instead: let _ = buffer.get(0);
        writeln!(out)?;
        Ok(())
    }
}

struct BoundedBuffer {
    entry: ProcEntry<BufferFile>,
    producer: KThread<()>,
    consumer: Option<KThread<()>>,
    shared: Arc<Shared>,
}

impl kernel::Module for BoundedBuffer {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                buffer <- new_mutex!(Buffer {
                    numbers: [0; SIZE],
                    first: 0,
                    count: 0,
                }),
                queue <- new_wait_queue!(),
            }),
            GFP_KERNEL,
        )?;
        let consumer = if CONSUME.value() {
            let for_consumer = shared.clone();
            Some(KThread::run(c_str!("consumer"), move |ctx| {
                consumer(ctx, &for_consumer)
            })?)
        } else {
            None
        };
        let for_producer = shared.clone();
        let producer = KThread::run(c_str!("producer"), move |ctx| producer(ctx, &for_producer))?;
        let file = BufferFile {
            shared: shared.clone(),
        };
        let entry = ProcEntry::new(c_str!("bounded_buffer"), 0o444, None, file)?;
        Ok(BoundedBuffer {
            entry,
            producer,
            consumer,
            shared,
        })
    }
}

impl Drop for BoundedBuffer {
    fn drop(&mut self) {
        self.entry.remove();
        let _ = self.producer.stop();
        if let Some(consumer) = &mut self.consumer {
            // TODO 4: sleep until the consumer has taken all that is in the buffer.
            //@ 4 {
            let shared = &self.shared;
            shared.queue.wait_event(|| shared.buffer.lock().is_empty());
            //@ 4 }
            let _ = consumer.stop();
        }
        pr_info!("{} left\n", self.shared.buffer.lock().count);
    }
}
