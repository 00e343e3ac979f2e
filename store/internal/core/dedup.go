package core

import (
	"crypto/sha256"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// dedupKey stands for a dedup id in a stream: ids are up to 255 bytes long, and
// many are remembered.
type dedupKey [16]byte

func keyOf(stream, id string) dedupKey {
	sum := sha256.Sum256([]byte(stream + "\x00" + id)) // no name has a NUL
	return dedupKey(sum[:])
}

// dedup remembers the sequences of dedup ids.
type dedup struct {
	seqs map[dedupKey]uint64
	ring []dedupEntry // from head on the oldest first
	head int
}

type dedupEntry struct {
	key dedupKey
	seq uint64
	at  time.Time
}

// add remembers the id, and at most store.DedupIDs of them.
func (d *dedup) add(key dedupKey, seq uint64, at time.Time) {
	if d.seqs == nil {
		d.seqs = map[dedupKey]uint64{}
	}
	if len(d.ring)-d.head >= store.DedupIDs {
		d.drop()
	}
	d.seqs[key] = seq
	d.ring = append(d.ring, dedupEntry{key, seq, at})
}

// expire forgets what is older than the window.
func (d *dedup) expire(now time.Time) {
	for d.head < len(d.ring) && now.Sub(d.ring[d.head].at) > store.DedupWindow {
		d.drop()
	}
}

// drop forgets the oldest one.
func (d *dedup) drop() {
	if old := d.ring[d.head]; d.seqs[old.key] == old.seq {
		delete(d.seqs, old.key)
	}
	d.head++
	if d.head > len(d.ring)/2 {
		d.ring = append(d.ring[:0], d.ring[d.head:]...)
		d.head = 0
	}
}
