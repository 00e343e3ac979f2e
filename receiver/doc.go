// Package receiver takes audit logs that are delivered over HTTPS: those of Kong
// Konnect, of this SDK, and of whoever else posts lines of CEF, JSON or CPS.
//
// Start with [New], which makes an [http.Handler] of a [Config], and serve it with
// [Listen] or any other server:
//
//	handler, err := receiver.New(receiver.Config{
//		Senders: []receiver.Sender{{
//			Name:           "konnect",
//			Authorizations: []webhook.Secret{webhook.NewSecret("Bearer example-token")},
//		}},
//		HandOver: func(ctx context.Context, batch receiver.Batch) error {
//			for i := range batch.Lines {
//				event, err := batch.Lines[i].Event()
//				…
//			}
//			return nil // only now the sender is told of success
//		},
//	})
//
// [OpenFile], [LogSink] and [ChannelSink] have ready-made HandOvers.
//
// # What is decided when
//
// A request is refused for the first of these that is not as it should be. Up to
// the length, nothing of its body is read, and nothing is decompressed for anybody
// who is not authorized.
//
//	method          405 unless it is POST
//	path            404 unless it is Config.Path, if there is one
//	authorization   401 unless it is one of those accepted
//	length          413 if it is told and too large; 431 for a Webhook-Id that is
//	                longer than 256 characters, 400 for any other that is no id
//	coding          415 unless it is gzip, by any of its names, once, or none
//	body            413 beyond a limit of [Limits], 408 if it takes too long, 400 if
//	                it is cut short, is not the gzip that it should be or goes on
//	                behind it, 415 if it is compressed twice, 503 if there is no
//	                memory for it now
//	batch           403 if it must be signed and is not, 400 if it is empty
//	lines           those that hold no event, that are too long or, by choice, not
//	                signed, are rejected: the others of the batch are handed over,
//	                and hooks are told of each; 200 all the same, or by choice 422
//	HandOver        503 with Retry-After if it fails, so that the sender keeps the
//	                batch; 200 if not
//
// A server of net/http adds 431 for a header that is too large, and 400 for one
// that is malformed or has two lengths.
//
// A body is gzip if its header or its first bytes say so. The format of each line
// is found by its first byte, so that a batch may hold several.
//
// # Signatures
//
// With [Config.Verify] each line is verified as package signature does. Keys are
// those of the sender whose authorization the request showed, or of the product
// that the line is of: see [Sender]. The key of one sender never vouches for the
// lines of another. Events are parsed from what is signed alone. With
// [Config.VerifyBatches] batches need a signature of their own, which also proves
// that they are complete, and new within [Config.Tolerance].
//
// # Duplicates
//
// Senders repeat a batch when they have not seen an answer. It is known again by
// the sender's name and its Webhook-Id, or, where it has none, by its content, and
// answered 200 without handing it over again. What is known is in a [Window],
// which is bounded, in memory ([NewWindow]) or in a store ([OpenWindow]).
//
// A batch is remembered after it was handed over, and before the answer. So it is
// handed over twice if the process ends between the two or the window fails, but
// never lost. One that arrives while it is being handed over waits for what becomes
// of it. Another body under an id that is known is handed over as well, and
// reported: a sender that gives the same id to everything must not lose
// everything.
//
// # Memory
//
// All bodies and their lines share [Limits.Memory]; a request that finds none left
// for a second gets 503, and is repeated. With the defaults a hundred hostile
// connections at once take less than 64 MiB. What a HandOver keeps is not counted.
package receiver
