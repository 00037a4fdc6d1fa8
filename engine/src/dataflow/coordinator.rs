//! On the first worker: when every worker is durable up to an epoch, has the manifest written.
//! The frontier of its output is the commit point, and every worker can see it.

use super::graph::Shared;
use crate::background::{Inbox, Outbox};
use crate::checkpoint::{LedgerMessage, LedgerReply, Written};
use crate::time::Epoch;
use std::rc::Rc;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

/// The way to the ledger; only the first worker has one.
#[derive(Debug)]
pub(crate) struct LedgerLine {
    pub(crate) outbox: Outbox<LedgerMessage>,
    pub(crate) inbox: Inbox<LedgerReply>,
}

/// Adds the coordinator. The output's frontier passes an epoch when its manifest is durable, and
/// becomes empty when everything is paid.
pub(super) fn add_coordinator<'scope>(
    scope: Scope<'scope, u64>,
    written: Stream<'scope, u64, Vec<Written>>,
    line: Option<LedgerLine>,
    shared: &Shared,
) -> Stream<'scope, u64, Vec<()>> {
    let mut builder = OperatorBuilder::new("coordinator".to_owned(), scope);
    let mut input = builder.new_input(written, Exchange::new(|_: &Written| 0));
    let (_pusher, stream) = builder.new_output::<Vec<()>>();
    let line = line.map(Rc::new);
    if let Some(line) = line.clone() {
        let activator = scope.activator_for(builder.operator_info().address);
        shared.call_when(activator, Box::new(move || !line.inbox.is_empty()));
    }
    let (failure, stop) = (shared.failure.clone(), shared.stop.clone());
    builder.build_reschedule(move |capabilities| {
        let mut held: Option<Capability<u64>> =
            capabilities.into_iter().next().filter(|_| line.is_some());
        let mut collected: Vec<(u64, Written)> = Vec::new();
        let mut asked: Option<u64> = None;
        let mut finishing = false;
        move |frontiers| {
            input.for_each(|capability, written| {
                let epoch = capability.least().copied().unwrap_or_default();
                collected.extend(written.drain(..).map(|written| (epoch, written)));
            });
            let Some(line) = &line else { return false };
            while let Some(reply) = line.inbox.try_take() {
                match reply {
                    LedgerReply::Durable(epoch) => {
                        asked = None;
                        if let Some(held) = held.as_mut() {
                            held.downgrade(&(epoch.0 + 1));
                        }
                    }
                    LedgerReply::Settled => held = None,
                }
            }
            let frontier = frontiers[0].frontier().first().copied();
            if asked.is_none() && held.is_some() && !finishing {
                let done = |epoch: u64| frontier.is_none_or(|frontier| epoch < frontier);
                let (closed, open) = collected.drain(..).partition(|(epoch, _)| done(*epoch));
                collected = open;
                let closed: Vec<(u64, Written)> = closed;
                match closed.iter().map(|(epoch, _)| *epoch).max() {
                    Some(last) => {
                        let written = closed.into_iter().map(|(_, written)| written).collect();
                        line.outbox.offer(LedgerMessage::Close(Epoch(last), written));
                        asked = Some(last);
                    }
                    None => match (frontier, held.as_mut()) {
                        (Some(frontier), Some(held)) if frontier > *held.time() => {
                            held.downgrade(&frontier);
                        }
                        (Some(_), _) => {}
                        _ => {
                            line.outbox.offer(LedgerMessage::Finish(!stop.is_requested()));
                            finishing = true;
                        }
                    },
                }
            }
            failure.is_set() || held.is_some()
        }
    });
    stream
}
