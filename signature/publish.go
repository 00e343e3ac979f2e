package signature

import (
	"encoding/json"
	"net/http"
	"time"
)

// Handler publishes the keys of a source as a JSON Web Key Set, as Konnect does
// at /v2/audit-log-webhook/jwks.json: for GET and HEAD, on any path, without
// authorization. The answer is not to be cached on the way, so that who fetches
// keys has them as they are.
func Handler(source Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		keys, err := source.Keys(r.Context(), time.Time{})
		var document []byte
		if err == nil {
			document, err = json.Marshal(keys)
		}
		if err != nil {
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(document)
	})
}
