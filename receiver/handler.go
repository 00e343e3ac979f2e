package receiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Handler takes batches of audit log events over HTTP. It is safe for concurrent
// use.
type Handler struct {
	config      Config
	credentials []credential
	memory      memory
	busy        busyKeys
	hooks       *hooks
	stats       counters
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler. The error names the field of the Config that is wrong.
func New(cfg Config) (*Handler, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	hooks, err := newHooks(cfg.Hooks)
	if err != nil {
		return nil, err
	}
	h := &Handler{config: cfg, credentials: newCredentials(cfg.Senders), hooks: hooks}
	h.config.Senders = slices.Clone(cfg.Senders)
	for i := range h.config.Senders {
		h.config.Senders[i].Authorizations = nil // the digests are enough
	}
	h.memory.left = cfg.Limits.Memory
	h.busy.done = map[Key]chan struct{}{}
	return h, nil
}

// ServeHTTP takes one batch.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result := Result{Received: time.Now(), Remote: r.RemoteAddr}
	refused := h.serve(w, r, &result)
	result.Status = http.StatusOK
	if refused != nil {
		result.Status = refused.status
		result.Err = refused
	}
	result.Duration = time.Since(result.Received)
	// Before the answer, so that its sender finds it counted.
	h.stats.add(&result)
	h.hooks.requestFinished(r.Context(), result)
	if refused != nil {
		refused.answer(w, h.config.RetryAfter)
	}
}

// serve takes the batch, or says why not.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, result *Result) *refusal {
	x, refused := h.admit(r)
	if refused != nil {
		leave(w, r)
		return refused
	}
	result.Sender, result.Authorization, result.BatchID = x.sender.Name, x.credential.index, x.id

	body := buffer{memory: &h.memory}
	defer body.release()
	wireBytes, refused := h.read(w, r, x.zipped, &body)
	result.WireBytes, result.Bytes = wireBytes, int64(len(body.data))
	if refused != nil {
		return refused
	}
	return h.take(r, x, &body, result)
}

// refusedBodyTime is for how long the body of a request that was refused by its
// header is read, to keep the connection.
const refusedBodyTime = time.Second

// leave has net/http read what it would of the body of a request that was refused by
// its header, but not for long. Of one whose length is not known it reads nothing:
// a quarter of a megabyte of each would be the most that strangers cost. As for a body that is too
// long it closes the connection then, once the answer had time to arrive.
func leave(w http.ResponseWriter, r *http.Request) {
	until := time.Now()
	if r.ContentLength >= 0 {
		until = until.Add(refusedBodyTime)
	} else {
		tooLong := http.MaxBytesReader(innermost(w), io.NopCloser(strings.NewReader("x")), 0)
		_, _ = io.Copy(io.Discard, tooLong)
	}
	_ = http.NewResponseController(w).SetReadDeadline(until)
}

// innermost returns the ResponseWriter of the server, which a MaxBytesReader tells
// to close the connection. It does not find it by itself in one that wraps it.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// admitted is what the header of a request says.
type admitted struct {
	credential credential
	sender     *Sender
	id         string
	zipped     bool
}

// admit decides by the header of the request, so that whoever is not authorized
// costs no more than that.
func (h *Handler) admit(r *http.Request) (admitted, *refusal) {
	if r.Method != http.MethodPost {
		return admitted{}, refuse(http.StatusMethodNotAllowed, "only POST is taken")
	}
	if h.config.Path != "" && r.URL.Path != h.config.Path {
		return admitted{}, refuse(http.StatusNotFound, "there is nothing at this path")
	}
	credential, ok := h.authorize(r)
	if !ok {
		return admitted{}, refuse(http.StatusUnauthorized, "the authorization is missing or wrong")
	}
	x := admitted{credential: credential, sender: &h.config.Senders[credential.sender]}
	if limit := h.config.Limits.WireBytes; r.ContentLength > limit {
		return x, refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", limit)
	}
	var refused *refusal
	if x.id, refused = batchID(r.Header); refused != nil {
		return x, refused
	}
	x.zipped, refused = compressed(r.Header)
	return x, refused
}

// batchID returns the Webhook-Id of the request, empty if there is none.
func batchID(header http.Header) (string, *refusal) {
	const longest = 256 // as delivery sends it
	values := header.Values("Webhook-Id")
	if len(values) == 0 {
		return "", nil
	}
	id := values[0]
	if len(id) > longest { // RFC 6585 §5 is also for a single field
		return "", refuse(http.StatusRequestHeaderFieldsTooLarge, "the Webhook-Id is longer than %d characters", longest)
	}
	visible := id != "" && len(values) == 1
	for i := range len(id) {
		visible = visible && id[i] > ' ' && id[i] <= '~'
	}
	if !visible {
		return "", refuse(http.StatusBadRequest, "the Webhook-Id is not one word of visible ASCII")
	}
	return id, nil
}

// take decides about the body and hands its lines over.
func (h *Handler) take(r *http.Request, x admitted, body *buffer, result *Result) *refusal {
	// All this goes on if the sender goes: the batch had better be known when it
	// comes again. What can take long has a timeout of its own.
	ctx := context.WithoutCancel(r.Context())
	outcome, refused := h.verifyBatch(ctx, x.sender, r.Header, body.data, result.Received)
	if refused != nil {
		return refused
	}
	batch := Batch{
		Sender:        x.sender.Name,
		Authorization: x.credential.index,
		ID:            x.id,
		Received:      result.Received,
		Remote:        r.RemoteAddr,
		Outcome:       outcome,
	}
	lines, refused := h.split(body)
	if refused != nil {
		return refused
	}
	if h.config.Dedup == DedupOff {
		return h.handOver(ctx, x.sender, &batch, lines, nil, result)
	}

	mark := Mark{keyOf(x.sender.Name, x.id, body.data), fingerprint(body.data)}
	if err := h.enter(r.Context(), mark.Key); err != nil {
		return &refusal{status: http.StatusServiceUnavailable, reason: "another request has the same batch", err: err}
	}
	defer h.busy.leave(mark.Key)
	switch known := h.recall(ctx, result, mark.Key)[0]; {
	case known == mark.Fingerprint:
		result.Duplicate = true
		return nil
	case known != 0:
		result.Conflict = true // it was not handed over, so it may not be dropped
	}
	return h.handOver(ctx, x.sender, &batch, lines, &mark, result)
}

// enter waits while another request has the same batch, for what becomes of it.
func (h *Handler) enter(ctx context.Context, key Key) error {
	ctx, cancel := context.WithTimeout(ctx, h.config.Limits.HandOverTime)
	defer cancel()
	return h.busy.enter(ctx, key)
}

// handOver examines the lines, hands them over, and remembers the batch.
func (h *Handler) handOver(ctx context.Context, s *Sender, batch *Batch, lines []Line, mark *Mark, result *Result) *refusal {
	faults, refused := h.examineAll(ctx, s, batch.Received, lines)
	if refused != nil {
		return refused
	}
	status := batch.sort(lines, faults)
	var marks []Mark
	if h.config.Dedup == DedupLines {
		marks = h.dropKnown(ctx, batch, result)
	}
	if err := h.call(ctx, batch); err != nil {
		return &refusal{status: http.StatusServiceUnavailable, reason: "the batch could not be taken now", err: err}
	}
	result.HandedOver = true
	result.Lines, result.Rejected = len(batch.Lines), len(batch.Rejected)
	if status != http.StatusOK && h.config.ReportRejected {
		refused = refuse(status, "%d of %d lines were rejected, the first is line %d: %v",
			len(batch.Rejected), len(faults), batch.Rejected[0].Number, batch.Rejected[0].Err)
	} else if mark != nil {
		marks = append(marks, *mark)
	}
	h.remember(ctx, result, marks)
	for _, rejected := range batch.Rejected {
		h.hooks.lineRejected(ctx, *batch, rejected)
	}
	return refused
}

// sort divides the lines into those that are handed over and those that are
// rejected. It returns the status that suits the latter.
func (b *Batch) sort(lines []Line, faults []error) int {
	status := http.StatusOK
	b.Lines = lines[:0]
	for i, fault := range faults {
		if fault == nil {
			if b.Rejected != nil {
				lines[len(b.Lines)] = lines[i]
			}
			b.Lines = lines[:len(b.Lines)+1]
			continue
		}
		b.Rejected = append(b.Rejected, Rejected{lines[i].Number, lines[i].Raw, lines[i].Outcome, fault})
		if _, tooLong := errors.AsType[*tooLongError](fault); !tooLong {
			status = http.StatusUnprocessableEntity
		} else if status == http.StatusOK {
			status = http.StatusRequestEntityTooLarge
		}
	}
	return status
}

// call calls HandOver.
func (h *Handler) call(ctx context.Context, batch *Batch) error {
	if len(batch.Lines) == 0 && len(batch.Rejected) == 0 {
		return nil // all of it was known
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.config.Limits.HandOverTime, errHandOverTime)
	defer cancel()
	return h.config.HandOver(ctx, *batch)
}

var errHandOverTime = errors.New("receiver: HandOver took too long")

// rememberTime bounds each call of the window.
const rememberTime = 5 * time.Second

// recall asks the window. If it fails nothing is known: an event twice is better
// than none.
func (h *Handler) recall(ctx context.Context, result *Result, keys ...Key) []uint64 {
	ctx, cancel := context.WithTimeout(ctx, rememberTime)
	defer cancel()
	known, err := h.config.Window.Recall(ctx, keys)
	if err != nil || len(known) != len(keys) {
		result.WindowErr = errors.Join(result.WindowErr, err)
		return make([]uint64, len(keys))
	}
	return known
}

// remember tells the window what was handed over. If it fails the sender is told
// of success all the same, since it is one.
func (h *Handler) remember(ctx context.Context, result *Result, marks []Mark) {
	if len(marks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rememberTime)
	defer cancel()
	if err := h.config.Window.Remember(ctx, marks); err != nil {
		result.WindowErr = errors.Join(result.WindowErr, err)
	}
}

// dropKnown takes the lines that were handed over before out of the batch, and
// returns what the others are remembered by.
func (h *Handler) dropKnown(ctx context.Context, batch *Batch, result *Result) []Mark {
	keys := lineKeys(batch.Sender, batch.Lines)
	known := h.recall(ctx, result, keys...)
	kept := batch.Lines[:0]
	var marks []Mark
	for i, line := range batch.Lines {
		if known[i] != 0 {
			result.DuplicateLines++
			continue
		}
		kept = append(kept, line)
		marks = append(marks, Mark{keys[i], 1})
	}
	batch.Lines = kept
	return marks
}
