//! Order of use: a doubly linked list over slots, newest first. Pure structure.

use std::mem;

const NIL: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    newer: u32,
    older: u32,
    hash: u64,
}

#[derive(Debug)]
pub(super) struct Order {
    nodes: Vec<Node>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
}

impl Order {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), newest: NIL, oldest: NIL }
    }

    /// Adds the key of a hash as the newest; the place names it from now on.
    pub(super) fn push(&mut self, hash: u64) -> u32 {
        let node = Node { newer: NIL, older: NIL, hash };
        let place = if let Some(place) = self.free.pop() {
            self.nodes[place as usize] = node;
            place
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(NIL)
        };
        self.link(place);
        place
    }

    /// Makes a place the newest.
    #[inline]
    pub(super) fn touch(&mut self, place: u32) {
        if self.newest != place {
            self.unlink(place);
            self.link(place);
        }
    }

    /// Frees a place.
    pub(super) fn remove(&mut self, place: u32) {
        self.unlink(place);
        self.free.push(place);
    }

    /// The place used longest ago, and the hash of its key.
    pub(super) fn oldest(&self) -> Option<(u32, u64)> {
        self.nodes.get(self.oldest as usize).map(|node| (self.oldest, node.hash))
    }

    fn link(&mut self, place: u32) {
        let previous = mem::replace(&mut self.newest, place);
        let node = &mut self.nodes[place as usize];
        (node.newer, node.older) = (NIL, previous);
        match self.nodes.get_mut(previous as usize) {
            Some(older) => older.newer = place,
            None => self.oldest = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let Node { newer, older, .. } = self.nodes[place as usize];
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
