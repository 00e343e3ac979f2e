package natsstore

import (
	"encoding/binary"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// blockVersion is the first byte of a message of the stream of events: then
// come the number of events and the length of each, as uvarints, then the
// events. A later version reads this one.
const blockVersion = 1

// encodeBlock returns the block as the data of one message.
func encodeBlock(block store.Block, bytes int) []byte {
	data := make([]byte, 0, 1+binary.MaxVarintLen32*(1+len(block))+bytes)
	data = append(data, blockVersion)
	data = binary.AppendUvarint(data, uint64(len(block)))
	for _, event := range block {
		data = binary.AppendUvarint(data, uint64(len(event)))
	}
	for _, event := range block {
		data = append(data, event...)
	}
	return data
}

// encodedSize is how many bytes encodeBlock may return.
func encodedSize(block store.Block, bytes int) int {
	return 1 + binary.MaxVarintLen32*(1+len(block)) + bytes
}

// item is an event as it was read, or a block that is damaged.
type item struct {
	store.Event
	last    bool  // of its block
	damaged error // then there is no data
}

// end is the position behind it.
func (i *item) end() store.Position {
	if i.last {
		return store.Position{Seq: i.Position.Seq + 1}
	}
	return store.Position{Seq: i.Position.Seq, Index: i.Position.Index + 1}
}

// appendItems appends the events of a message, whose memory they share.
func appendItems(items []item, msg *jetstream.RawStreamMsg) []item {
	events, err := decodeBlock(msg.Data)
	at := store.Event{Position: store.Position{Seq: msg.Sequence}, Time: msg.Time.UTC()}
	if err != nil {
		err = fmt.Errorf("the message at sequence %d of the stream of events is %w: %w", msg.Sequence, store.ErrDamaged, err)
		return append(items, item{Event: at, last: true, damaged: err})
	}
	for i, data := range events {
		at.Position.Index, at.Data = i, data
		items = append(items, item{Event: at, last: i == len(events)-1})
	}
	return items
}

// decodeBlock returns the events of a message's data.
func decodeBlock(data []byte) ([][]byte, error) {
	if len(data) == 0 || data[0] != blockVersion {
		return nil, fmt.Errorf("it does not begin with the byte %d", blockVersion)
	}
	data = data[1:]
	number := func() (int, bool) {
		v, n := binary.Uvarint(data)
		if n <= 0 || v == 0 || v > store.MaxBlockBytes {
			return 0, false
		}
		data = data[n:]
		return int(v), true
	}
	count, ok := number()
	if !ok || count > store.MaxBlockEvents {
		return nil, fmt.Errorf("it has no number of events from 1 to %d", store.MaxBlockEvents)
	}
	lengths, total := make([]int, count), 0
	for i := range lengths {
		if lengths[i], ok = number(); !ok {
			return nil, fmt.Errorf("the length of event %d is no number from 1 to %d", i, store.MaxBlockBytes)
		}
		total += lengths[i]
	}
	if total != len(data) {
		return nil, fmt.Errorf("its events should have %d bytes together, but there are %d", total, len(data))
	}
	events := make([][]byte, count)
	for i, n := range lengths {
		events[i], data = data[:n:n], data[n:]
	}
	return events, nil
}
