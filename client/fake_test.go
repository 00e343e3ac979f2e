package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// organization is what a management API keeps: destinations, and the webhooks
// of a region and of a portal that are bound to them. It carries calls out, and
// fails them where a test says so.
type organization struct {
	*api

	mu           sync.Mutex
	destinations []webhook.Destination
	region       *webhook.Binding
	portal       *webhook.Binding
	endpoint     string // of the region's webhook, if it has one of its own
	inUse        int    // deletions that are refused though nothing is bound
	made         int

	// calls are the changes that were asked for.
	calls []string
	// fault may answer in place of a call. If it returns true the call is
	// carried out nonetheless.
	fault func(call string, w http.ResponseWriter) bool
}

func newOrganization(t *testing.T) *organization {
	t.Helper()
	o := &organization{fault: func(string, http.ResponseWriter) bool { return true }}
	o.api = &api{Server: httptest.NewTLSServer(http.HandlerFunc(o.handle)), clock: newClock()}
	t.Cleanup(o.Close)
	o.client = o.newClient(t)
	return o
}

// firstHeader sends the first header that is written and no other.
type firstHeader struct {
	http.ResponseWriter

	sent bool
}

func (w *firstHeader) WriteHeader(code int) {
	if !w.sent {
		w.ResponseWriter.WriteHeader(code)
	}
	w.sent = true
}

func (o *organization) handle(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w = &firstHeader{ResponseWriter: w}
	body, _ := io.ReadAll(r.Body)
	call := strings.TrimSpace(r.Method + " " + strings.TrimPrefix(r.URL.Path, "/v3") + " " + string(body))
	if r.Method != http.MethodGet {
		o.calls = append(o.calls, strings.ReplaceAll(call, authorization, "…"))
	}
	if !o.fault(call, w) {
		return
	}
	path, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v3"), "/audit-log-destinations")
	switch {
	case r.URL.Path == "/v2/audit-log-webhook":
		respond(w, 200, webhook.Config{Endpoint: o.endpoint})
	case path == "/audit-log-webhook":
		o.webhook(w, r, body, &o.region)
	case path == "/portals/"+portalID+"/audit-log-webhook":
		o.webhook(w, r, body, &o.portal)
	default:
		o.destination(w, r, body, strings.TrimPrefix(id, "/"))
	}
}

func (o *organization) webhook(w http.ResponseWriter, r *http.Request, body []byte, binding **webhook.Binding) {
	switch {
	case r.Method == http.MethodPatch:
		patch, err := webhook.DecodeBindingPatch(body)
		if err != nil {
			respond(w, 400, nil)
			return
		}
		next := webhook.Binding{}
		if *binding != nil {
			next = **binding
		}
		if id, ok := patch.DestinationID.Get(); ok {
			next.DestinationID = id
		}
		if enabled, ok := patch.Enabled.Get(); ok {
			next.Enabled = enabled
		}
		*binding = &next
		respond(w, 200, next)
	case *binding == nil:
		respond(w, 404, nil)
	case r.Method == http.MethodDelete:
		*binding = nil
		w.WriteHeader(http.StatusNoContent)
	default:
		respond(w, 200, **binding)
	}
}

func (o *organization) destination(w http.ResponseWriter, r *http.Request, body []byte, id string) {
	at := -1
	for i := range o.destinations {
		if o.destinations[i].ID == id {
			at = i
		}
	}
	switch {
	case r.Method == http.MethodPost:
		d, err := webhook.DecodeDestination(body)
		if err != nil {
			respond(w, 400, nil)
			return
		}
		o.made++
		d.ID = fmt.Sprintf("00000000-0000-0000-0000-%012d", o.made)
		o.destinations = append(o.destinations, d)
		respond(w, 201, d)
	case id == "": // without a filter, as a server may be
		respond(w, 200, webhook.DestinationList{Data: o.destinations})
	case at < 0:
		respond(w, 404, nil)
	case r.Method == http.MethodPatch:
		patch, err := webhook.DecodeDestinationPatch(body)
		if err != nil {
			respond(w, 400, nil)
			return
		}
		if value, ok := patch.Authorization.Get(); ok {
			o.destinations[at].Authorization = value
		}
		respond(w, 200, o.destinations[at])
	case o.inUse > 0, o.bound(o.region, id), o.bound(o.portal, id):
		o.inUse--
		respond(w, 409, webhook.Problem{Status: 409, Title: "Conflict", Detail: "destination is in use"})
	default:
		o.destinations = append(o.destinations[:at:at], o.destinations[at+1:]...)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (o *organization) bound(binding *webhook.Binding, id string) bool {
	return binding != nil && binding.DestinationID == id
}

func respond(w http.ResponseWriter, code int, document any) {
	w.WriteHeader(code)
	if document != nil {
		_ = json.NewEncoder(w).Encode(document)
	}
}
