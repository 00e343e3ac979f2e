package delivery

import (
	"errors"
	"time"
)

// BatchSigner signs batches: the id, the time of the attempt in whole seconds, and the body before
// compression. It returns the value of the header Webhook-Signature, which is
// visible ASCII and spaces. It is called concurrently.
type BatchSigner interface {
	SignBatch(id string, at time.Time, body []byte) (string, error)
}

// sign returns the signature of an attempt, empty if there is no Signer.
func (r *run) sign(at time.Time) (string, error) {
	if r.cfg.Signer == nil {
		return "", nil
	}
	signature, err := r.cfg.Signer.SignBatch(r.result.BatchID, at, r.body)
	if err == nil && checkValue(signature) != nil {
		err = errors.New("the signature is no value of a header")
	}
	return signature, err
}
