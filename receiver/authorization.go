package receiver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// credential is a value of the Authorization header that is accepted, as its
// digest: digests are of one length, so that comparing them tells nothing of the
// length of the value either.
type credential struct {
	digest [sha256.Size]byte
	sender int // in Config.Senders
	index  int // in Sender.Authorizations
}

func newCredentials(senders []Sender) []credential {
	var all []credential
	for i, s := range senders {
		for j, a := range s.Authorizations {
			all = append(all, credential{sha256.Sum256([]byte(a.Reveal())), i, j})
		}
	}
	return all
}

// authorize returns the credential that the request shows, and reports whether
// it is accepted. It takes the same time whichever that is, if any.
func (h *Handler) authorize(r *http.Request) (credential, bool) {
	values := r.Header.Values("Authorization")
	shown := ""
	if len(values) == 1 { // of several, who knows which one a proxy has looked at
		shown = values[0]
	}
	digest := sha256.Sum256([]byte(shown))
	found := -1
	for i := range h.credentials {
		equal := subtle.ConstantTimeCompare(digest[:], h.credentials[i].digest[:])
		found = subtle.ConstantTimeSelect(equal, i, found)
	}
	if found < 0 {
		return credential{}, false
	}
	return h.credentials[found], true
}
