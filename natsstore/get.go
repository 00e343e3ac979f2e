package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// What one batched get asks for at most.
const (
	getMessages = 512
	getBytes    = 1 << 20
)

// getRequest is the request of the JetStream API that reads one message. Its
// answer comes from the stream's leader, so it knows all that was acknowledged
// before, where a direct get may come from a follower that does not yet.
type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Next      string     `json:"next_by_subj,omitempty"`
	Last      string     `json:"last_by_subj,omitempty"`
}

// getAnswer is the answer to a getRequest.
type getAnswer struct {
	Error   *jetstream.APIError `json:"error"`
	Message *struct {
		Subject  string    `json:"subject"`
		Sequence uint64    `json:"seq"`
		Data     []byte    `json:"data"`
		Time     time.Time `json:"time"`
	} `json:"message"`
}

// get returns the message that the leader has, nil if there is none.
func (s *natsStore) get(ctx context.Context, stream string, request getRequest) (msg *jetstream.RawStreamMsg, err error) {
	data, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	err = s.retry(ctx, func(ctx context.Context) error {
		msg, err = s.getOnce(ctx, stream, data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("a message of stream %s: %w", stream, err)
	}
	return msg, nil
}

// getOnce makes the request.
func (s *natsStore) getOnce(ctx context.Context, stream string, request []byte) (*jetstream.RawStreamMsg, error) {
	response, err := s.conn.RequestWithContext(ctx, s.apiPrefix+"STREAM.MSG.GET."+stream, request)
	if err != nil {
		return nil, err
	}
	var answer getAnswer
	if err := json.Unmarshal(response.Data, &answer); err != nil {
		return nil, err
	}
	switch m := answer.Message; {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, nil //nolint:nilnil // no message is no error
	case answer.Error != nil:
		return nil, answer.Error // servers that elect a leader say at once that they have none
	case m == nil:
		return nil, jetstream.ErrInvalidJetStreamResponse
	default:
		return &jetstream.RawStreamMsg{Subject: m.Subject, Sequence: m.Sequence, Data: m.Data, Time: m.Time}, nil
	}
}

// page returns the next items of a subject from the start on, at least one
// unless there is none, and how many messages come behind them, as far as
// the server that answered knows.
func (s *natsStore) page(ctx context.Context, subject string, from store.From) (items []item, more int, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		items, more, err = s.direct(ctx, subject, from)
		return err
	})
	if err != nil || more > 0 {
		return items, more, err
	}
	// A follower may not have the last ones yet, and a part of an answer may
	// be lost: that this is all only the leader knows.
	for size := 0; ; {
		request := getRequest{Seq: max(from.Position.Seq, 1), Next: subject}
		switch {
		case len(items) > 0:
			request.Seq = items[len(items)-1].Position.Seq + 1
		case !from.Time.IsZero() && from.Position.Seq == 0:
			request.Seq, request.StartTime = 0, &from.Time
		}
		msg, err := s.get(ctx, s.cfg.eventsStream(), request)
		if err != nil || msg == nil {
			return items, 0, err
		}
		items = appendItems(items, msg)
		if size += len(msg.Data); size >= getBytes || len(items) >= getMessages {
			return items, 1, nil
		}
	}
}

// direct makes one batched direct get.
func (s *natsStore) direct(ctx context.Context, subject string, from store.From) (items []item, more int, err error) {
	options := []jetstreamext.GetBatchOpt{jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchMaxBytes(getBytes)}
	if from.Position.Seq == 0 && !from.Time.IsZero() {
		options = append(options, jetstreamext.GetBatchStartTime(from.Time))
	} else {
		options = append(options, jetstreamext.GetBatchSeq(max(from.Position.Seq, 1)))
	}
	if !s.conn.IsConnected() { // the library leaves a subscription behind when it cannot publish
		return nil, 0, nats.ErrDisconnected
	}
	messages, err := jetstreamext.GetBatch(ctx, s.js, s.cfg.eventsStream(), getMessages, options...)
	if err != nil {
		return nil, 0, err
	}
	before := "0"
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return items, 0, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if msg.Header.Get("Nats-Last-Sequence") != before { // one was lost on the way
			return items, 0, nil
		}
		before = msg.Header.Get(jetstream.SequenceHeader)
		items = appendItems(items, msg)
		if _, err := fmt.Sscan(msg.Header.Get("Nats-Num-Pending"), &more); err != nil {
			return nil, 0, fmt.Errorf("the header Nats-Num-Pending: %w", err)
		}
	}
	return items, more, nil
}

// last returns the sequence of the last message of a subject, 0 if there is
// none.
func (s *natsStore) last(ctx context.Context, stream, subject string) (uint64, error) {
	msg, err := s.get(ctx, stream, getRequest{Last: subject})
	if err != nil || msg == nil {
		return 0, err
	}
	return msg.Sequence, nil
}

// transient tells that the request may succeed when it is made again, and that
// nobody can tell whether it has had an effect.
func transient(err error) bool {
	for _, target := range [...]error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrReconnectBufExceeded,
		nats.ErrConnectionReconnecting, nats.ErrStaleConnection, nats.ErrNoServers, context.DeadlineExceeded,
		jetstream.ErrNoStreamResponse, jetstream.ErrAsyncPublishTimeout, jetstream.ErrTooManyStalledMsgs,
		os.ErrDeadlineExceeded, net.ErrClosed,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true // of a connection that ends while it is written to
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case errAccountFull, errInsufficient, errNoStorage, errStoreFailed, errNotEnabled:
			return false // although some of their codes are 503
		case errDuplicateInProcess, errTooManyRequests, errOffline, errNoPeers:
			return true
		}
		return api.Code == 503
	}
	return false
}

// Error codes of the JetStream API that package jetstream has no names for.
const (
	errAccountFull        jetstream.ErrorCode = 10002
	errNoPeers            jetstream.ErrorCode = 10005 // also while servers start
	errInsufficient       jetstream.ErrorCode = 10023
	errNoStorage          jetstream.ErrorCode = 10047
	errMessageDelete      jetstream.ErrorCode = 10057
	errNotEnabled         jetstream.ErrorCode = 10076
	errStoreFailed        jetstream.ErrorCode = 10077
	errOffline            jetstream.ErrorCode = 10118
	errDuplicateInProcess jetstream.ErrorCode = 10158
	errWrongSequence      jetstream.ErrorCode = 10071
	errWrongSequenceNow   jetstream.ErrorCode = 10164
	errTooManyRequests    jetstream.ErrorCode = 10167
)

// apiCode returns the error's code, 0 if it is none of the API.
func apiCode(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	return 0
}

// superseded tells that a subject's last sequence is not the one expected.
func superseded(err error) bool {
	code := apiCode(err)
	return code == errWrongSequence || code == errWrongSequenceNow
}
