//! Order of use: a doubly linked list over slots, newest first. Pure structure.

use std::mem;

const NIL: u32 = u32::MAX;

#[derive(Debug)]
struct Node<K> {
    newer: u32,
    older: u32,
    /// `None` in a free slot.
    key: Option<K>,
}

#[derive(Debug)]
pub(super) struct Order<K> {
    nodes: Vec<Node<K>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
}

impl<K> Order<K> {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), newest: NIL, oldest: NIL }
    }

    /// Adds a key as the newest; the slot names it from now on.
    pub(super) fn push(&mut self, key: K) -> u32 {
        let node = Node { newer: NIL, older: NIL, key: Some(key) };
        let slot = if let Some(slot) = self.free.pop() {
            self.nodes[slot as usize] = node;
            slot
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(NIL)
        };
        self.link(slot);
        slot
    }

    /// Makes a slot the newest.
    pub(super) fn touch(&mut self, slot: u32) {
        if self.newest != slot {
            self.unlink(slot);
            self.link(slot);
        }
    }

    /// Frees a slot.
    pub(super) fn remove(&mut self, slot: u32) -> Option<K> {
        self.unlink(slot);
        self.free.push(slot);
        mem::take(&mut self.nodes[slot as usize].key)
    }

    pub(super) fn oldest(&self) -> Option<&K> {
        self.nodes.get(self.oldest as usize).and_then(|node| node.key.as_ref())
    }

    fn link(&mut self, slot: u32) {
        let previous = mem::replace(&mut self.newest, slot);
        let node = &mut self.nodes[slot as usize];
        (node.newer, node.older) = (NIL, previous);
        match self.nodes.get_mut(previous as usize) {
            Some(older) => older.newer = slot,
            None => self.oldest = slot,
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Node { newer, older, .. } = self.nodes[slot as usize];
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }
}
