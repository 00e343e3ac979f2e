package receiver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// Key stands for a batch or a line of one sender.
type Key [16]byte

// What a key is made of; the first byte, so that none is taken for another.
const (
	keyOfID    = 'i' // a sender and a Webhook-Id
	keyOfBody  = 'b' // a sender and a whole body
	keyOfLine  = 'l' // a sender and a line
	keyOfEqual = 'e' // the key of a line, and how many equal ones stand before it
)

// newKey returns the key of the parts.
func newKey(kind byte, sender string, content []byte) Key {
	var prefix [9]byte
	prefix[0] = kind
	binary.BigEndian.PutUint64(prefix[1:], uint64(len(sender)))
	digest := sha256.New()
	digest.Write(prefix[:])
	digest.Write([]byte(sender))
	digest.Write(content)
	var sum [sha256.Size]byte
	return Key(digest.Sum(sum[:0])[:len(Key{})])
}

// keyOf returns the key that a batch is remembered by.
func keyOf(sender, id string, body []byte) Key {
	if id == "" {
		return newKey(keyOfBody, sender, body)
	}
	return newKey(keyOfID, sender, []byte(id))
}

// lineKeys returns the keys of the lines.
func lineKeys(sender string, lines []Line) []Key {
	keys := make([]Key, len(lines))
	count := make(map[Key]uint64, len(lines))
	for i := range lines {
		key := newKey(keyOfLine, sender, lines[i].Raw)
		n := count[key]
		count[key]++
		if n > 0 {
			key = newKey(keyOfEqual, sender, binary.BigEndian.AppendUint64(key[:], n))
		}
		keys[i] = key
	}
	return keys
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fingerprint tells bodies under one Webhook-Id apart: by their length and a
// checksum, which are had at a tenth of the price of a digest. Who sends two
// bodies under one id that differ in neither deceives about nothing but his own.
func fingerprint(body []byte) uint64 {
	return uint64(len(body))<<32 | uint64(crc32.Checksum(body, castagnoli))
}

// busyKeys are the keys of batches that are being handed over.
type busyKeys struct {
	mu   sync.Mutex
	done map[Key]chan struct{}
}

// enter waits until no other request has the key, or until ctx ends.
func (b *busyKeys) enter(ctx context.Context, key Key) error {
	for {
		b.mu.Lock()
		done, taken := b.done[key]
		if !taken {
			b.done[key] = make(chan struct{})
			b.mu.Unlock()
			return nil
		}
		b.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *busyKeys) leave(key Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.done[key])
	delete(b.done, key)
}
