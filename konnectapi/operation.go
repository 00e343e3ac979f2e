package konnectapi

import (
	"net/http"
	"slices"
	"strings"
)

// operation is a method of a path.
type operation struct {
	id      string
	method  string
	path    string // with {portal} and {destination} for ids
	success int
	public  bool // for everybody, and the same for all
	serve   func(*Handler, *call) (answer any, err error)
}

// methods is the operations of one path.
type methods []*operation

// operations is all that the API offers.
var operations = slices.Concat(
	methods{
		{id: "get-webhook-v2", method: http.MethodGet, path: "/v2/audit-log-webhook", success: http.StatusOK, serve: (*Handler).getWebhook},
		{id: "update-webhook-v2", method: http.MethodPatch, path: "/v2/audit-log-webhook", success: http.StatusOK, serve: (*Handler).updateWebhook},
		{id: "get-webhook-v3", method: http.MethodGet, path: "/v3/audit-log-webhook", success: http.StatusOK, serve: (*Handler).getBinding},
		{id: "update-webhook-v3", method: http.MethodPatch, path: "/v3/audit-log-webhook", success: http.StatusOK, serve: (*Handler).updateBinding},
		{id: "delete-webhook-v3", method: http.MethodDelete, path: "/v3/audit-log-webhook", success: http.StatusNoContent, serve: (*Handler).deleteBinding},
		{id: "list-logs-v3", method: http.MethodGet, path: "/v3/audit-logs", success: http.StatusOK, serve: (*Handler).listLogs},
		{id: "get-keys-v2", method: http.MethodGet, path: "/v2/audit-log-webhook/jwks.json", success: http.StatusOK, public: true, serve: (*Handler).getKeys},
		{id: "get-openapi", method: http.MethodGet, path: "/openapi.json", success: http.StatusOK, public: true, serve: (*Handler).getOpenAPI},
	},
	both(methods{
		{id: "get-webhook-status", method: http.MethodGet, path: "/audit-log-webhook/status", success: http.StatusOK, serve: (*Handler).getStatus},
		{id: "get-replay-job", method: http.MethodGet, path: "/audit-log-replay-job", success: http.StatusOK, serve: (*Handler).getReplay},
		{id: "put-replay-job", method: http.MethodPut, path: "/audit-log-replay-job", success: http.StatusAccepted, serve: (*Handler).putReplay},
		{id: "list-destinations", method: http.MethodGet, path: "/audit-log-destinations", success: http.StatusOK, serve: (*Handler).listDestinations},
		{id: "create-destination", method: http.MethodPost, path: "/audit-log-destinations", success: http.StatusCreated, serve: (*Handler).createDestination},
		{id: "get-destination", method: http.MethodGet, path: "/audit-log-destinations/{destination}", success: http.StatusOK, serve: (*Handler).getDestination},
		{id: "update-destination", method: http.MethodPatch, path: "/audit-log-destinations/{destination}", success: http.StatusOK, serve: (*Handler).updateDestination},
		{id: "delete-destination", method: http.MethodDelete, path: "/audit-log-destinations/{destination}", success: http.StatusNoContent, serve: (*Handler).deleteDestination},
		{id: "get-portal-webhook", method: http.MethodGet, path: "/portals/{portal}/audit-log-webhook", success: http.StatusOK, serve: (*Handler).getBinding},
		{id: "update-portal-webhook", method: http.MethodPatch, path: "/portals/{portal}/audit-log-webhook", success: http.StatusOK, serve: (*Handler).updateBinding},
		{id: "delete-portal-webhook", method: http.MethodDelete, path: "/portals/{portal}/audit-log-webhook", success: http.StatusNoContent, serve: (*Handler).deleteBinding},
		{id: "get-portal-webhook-status", method: http.MethodGet, path: "/portals/{portal}/audit-log-webhook/status", success: http.StatusOK, serve: (*Handler).getStatus},
		{id: "get-portal-replay-job", method: http.MethodGet, path: "/portals/{portal}/audit-log-replay-job", success: http.StatusOK, serve: (*Handler).getReplay},
		{id: "put-portal-replay-job", method: http.MethodPut, path: "/portals/{portal}/audit-log-replay-job", success: http.StatusAccepted, serve: (*Handler).putReplay},
	}),
)

// both returns the operations in both versions.
func both(ops methods) methods {
	var all methods
	for _, version := range []string{"v2", "v3"} {
		for _, op := range ops {
			versioned := *op
			versioned.id += "-" + version
			versioned.path = "/" + version + op.path
			all = append(all, &versioned)
		}
	}
	return all
}

// paths is the operations by their paths.
var paths = func() map[string]methods {
	all := map[string]methods{}
	for _, op := range operations {
		all[op.path] = append(all[op.path], op)
	}
	return all
}()

// match finds the operations of a path, and sets the ids in it.
func (c *call) match(path string) methods {
	const collection, id = 2, 3 // as in "/v2/portals/id/…", whose first segment is empty
	segments := strings.Split(path, "/")
	if len(segments) > id {
		switch segments[collection] {
		case "portals":
			// Authorize, Portal and the events have one name for it, however the
			// client wrote it.
			c.portal, segments[id] = strings.ToLower(segments[id]), "{portal}"
		case "audit-log-destinations":
			c.id, segments[id] = segments[id], "{destination}"
		}
	}
	return paths[strings.Join(segments, "/")]
}

// find returns the operation of a method. HEAD is GET without the body, which
// net/http leaves out.
func (m methods) find(method string) *operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, op := range m {
		if op.method == method {
			return op
		}
	}
	return nil
}

// allowed is the value of the Allow header.
func (m methods) allowed() string {
	var names []string
	for _, op := range m {
		if names = append(names, op.method); op.method == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	return strings.Join(names, ", ")
}
