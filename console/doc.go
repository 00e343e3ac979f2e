// Package console serves the page on which people set up, watch and repair the
// webhooks of a [shipper.Shipper] in a browser: where a webhook sends to, what
// its status means, what became of each attempt, which events were set aside,
// and how to send a part of the past again.
//
// Start with [New], and mount the [Handler] under any path that ends with a
// slash:
//
//	mux.Handle("/audit-logs/", handler)
//
// All links are relative, and the last segment of a path names the page, so the
// Handler need not know where it is mounted. It needs nothing from the network,
// keeps no sessions and sets no cookies.
//
// # Who may do what
//
// Config.Authenticate tells who sends a request, and Config.Webhooks which
// webhooks they may see, and whether they may change them. Without both every
// request is refused. Who may only read sees no controls, and of an endpoint
// scheme, host and port only, since several receivers keep their key in the URL;
// they do see the events that were set aside. Forms that a browser sends from another origin are refused
// ([net/http.CrossOriginProtection]), and no other site can show the page in a
// frame.
//
// An authorization is write-only: no page ever has it, not even the one that
// repeats a form with its errors. An endpoint that moves to another origin, and
// one whose certificate is no longer verified, need it again, so that nobody can
// send a secret to themselves that they do not know.
//
// # What is recorded
//
// Each change is an event in the webhook's own stream, as with package
// konnectapi: who changed which settings, and never their values.
//
// # In the browser
//
// Everything works without JavaScript but the updates while a page is open, and
// times in the viewer's zone: without it they are in UTC. With it an open page
// asks for what has changed every two seconds while it is visible.
package console
