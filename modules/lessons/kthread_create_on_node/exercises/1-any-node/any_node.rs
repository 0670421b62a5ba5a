// SPDX-License-Identifier: GPL-2.0

//! A thread on the node that the one who loads the module names, or on any.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    kthread::{Ctx, KThread},
    module_param,
};

module! {
    type: AnyNode,
    name: "any_node",
    authors: ["You"],
    description: "A thread on a node, or on any",
    license: "GPL",
}

module_param! {
    NODE: i32 = -1,
    name: "node",
    description: "The node of the thread's memory; -1 for any",
}

struct AnyNode {
    _thread: KThread<()>,
}

fn work(ctx: &Ctx) {
    ctx.sleep_until_stopped();
}

/// Makes the thread; -1 stands for any node.
fn create(node: i32) -> Result<KThread<()>> {
    let builder = KThread::builder().name(c_str!("any_node"));
    // TODO 1: ask for the node, unless `node` is -1.
    //@ 1 {
    match node {
        -1 => builder.create(work),
        node => builder.node(node).create(work),
    }
    //@ 1 } instead: let _ = node;\nbuilder.create(work)
}

impl kernel::Module for AnyNode {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let node = NODE.value();
        // TODO 2: if the thread cannot be made, write `no thread on node N` to the log as an error, and
        // let init fail with the error.
        //@ 2 {
        let thread = create(node).inspect_err(|_| pr_err!("no thread on node {node}\n"))?;
        //@ 2 } instead: let thread = create(node).or_else(|_| create(-1))?;
        thread.start();
        pr_info!("a thread on node {node}\n");
        Ok(AnyNode { _thread: thread })
    }
}
