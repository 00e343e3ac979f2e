// Package store is the seam between the engine that ships audit events and
// what keeps them: accepted events, and small documents such as a webhook's
// configuration. This page is the contract of both sides; package storetest
// checks a store against it.
//
// Start with package diskstore, which keeps everything in a directory, or with
// package memstore, which loses everything with the process. Module natsstore
// keeps everything on NATS JetStream, for several processes together.
//
// # Streams, blocks, positions
//
// A stream is the queue of one webhook. A [Block] is what one
// [Store.Append] adds to it: one event or several, which are kept or lost
// together. The store gives each block a sequence, a number that only grows
// within a stream, also after the stream was deleted and begun again; gaps in
// it mean nothing. A [Position] is an event's place: its block's sequence and
// its index there. Events are opaque bytes. They are read in the order in which
// their blocks were accepted.
//
// A name (of a stream, a document or a dedup id) is 1 to 255 bytes of UTF-8
// without control characters; see [CheckName]. Any such name is safe: no store
// makes an unescaped file name or subject of it.
//
// # Durable
//
// A block is accepted when Append returns nil, and only then: it is then as
// safe as the store can make it. On disk it was written and synced, with the
// directory entries that lead to it. In memory there is no such thing. On
// JetStream the server has acknowledged it, which by default is before it
// synced; see package natsstore.
//
// When Append returns an error, the block usually is not kept, but it may be:
// whoever repeats the call with the same dedup id gets one block, not two, as
// long as the call comes within the store's window. Every store has a window
// of at least [DedupWindow], in which it remembers at least [DedupIDs] ids, of
// all streams together and over restarts. A restart may forget those of blocks
// that were sent and then removed for want of room, earlier than retention asks.
//
// Documents and a stream's state are durable when the call that changes them
// returns nil. A stream's state never points past durable events.
//
// # Claims
//
// Unsent events are those after the stream's position, State.Next. A stream
// has work when it has unsent events or gaps (see below). [Store.Claim] waits
// for a stream with work and gives the caller a [Claim] of it: until it is
// released, nobody else has one of that stream. Streams are handed out in turn,
// so that a busy one never starves another, and a stream without work
// costs no goroutine and no timer.
//
// A claim is a lease. It ends when its holder has called none of its methods
// for as long as the store's lease, one minute if nothing else is said;
// [Claim.Keep] does nothing but prolong it. Afterwards the stream is handed to
// somebody else and every method of the old claim returns [ErrClaimLost] and
// changes nothing. The same happens when the stream is deleted. This is what
// fences a stale holder: its acknowledgement is refused, even if it delivered,
// and the next holder repeats the batch under the same id.
//
// [Claim.Release] gives the stream back, by its [Wait]: at once and at the end of the
// queue; after a time (a webhook whose endpoint fails is probed so); as soon as
// enough events wait (this is how a batch waits to be filled: [State] tells the
// number of unsent events, their bytes and the time of the oldest); or not
// before [Store.Wake] is called (a webhook that is switched off). Nothing is
// lost meanwhile: the events stay where they are. Waits are not durable. After
// a restart every stream with work is handed out, and the engine lets it wait
// again.
//
// # Batches
//
// [Claim.Batch] cuts a batch off the unsent events, gives it an id, and stores
// bounds and id before it returns: the batch is frozen. Until it is
// acknowledged, every later claim gets the same events under the same id again,
// whatever the limits then are. A claim gets each frozen batch once and in
// order, then newly cut ones, so several can be in flight. They may be
// acknowledged in any order; the stream's position moves when all
// before it are.
//
// [Claim.Split] replaces a frozen batch by its halves, each with an id of its
// own, in one durable step. Ids are random with at least 122 bits.
//
// [Claim.Ack] acknowledges a batch and stores the caller's status bytes in the
// same durable step. A holder that expects to go on can name limits for the next
// batch: if a full one waits, that same step freezes it, and a backlog
// costs one document commit per batch.
//
// # Gaps
//
// Events disappear unsent in two cases only: they outlived the store's
// retention, or damage made them unreadable. Before the store forgets them, it
// adds a [Gap] to the stream's state, durably: how many, from when to when, and
// why. A stream with gaps has work even if it has no events, so its next claim
// tells. The engine makes an event of each gap, appends it with the gap's ID
// as dedup id, and then calls [Claim.ClearGap]. A gap that grows has a new id;
// it does not grow by retention while the stream is claimed, for retention
// leaves claimed streams alone. Damage that hides which stream it hit is
// reported by the store's own means.
//
// # Dead letters
//
// A store knows nothing of them; documents and appends are enough. To set an
// event aside: put a document, named by stream and position, with event and
// reason, then acknowledge its batch. List them by prefix. To redrive one:
// append it, with the document's key and revision as dedup id, then delete the document. To
// purge it: delete the document. Each order loses nothing if the process dies
// in between.
//
// # Documents
//
// A document is a key with a value of at most [MaxDocument] bytes and a
// revision, a number that grows with every change in the store. [Documents.Put] and
// [Documents.Delete] name the revision they replace and fail with
// [ErrConflict] if it is another by now. Documents and stream states have
// separate names: no key reaches a stream's state.
//
// # Errors
//
// Match with errors.Is: [ErrClosed], [ErrNotFound], [ErrConflict],
// [ErrClaimLost], [ErrNoEvents], [ErrFull], [ErrUnavailable]. Match with errors.As:
// [*NameError], [*SizeError]. A method that waits returns the cause of its
// context when that ends, and [ErrClosed] when the store is closed; whatever it
// was doing may still happen. A context that has ended already gets nothing done. Any other error
// is the medium's, wrapped; the store goes on and the call can be repeated.
//
// All methods of stores and claims can be called concurrently.
package store
