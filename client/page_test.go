package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// TestCursors takes cursors out of links in all the forms met.
func TestCursors(t *testing.T) {
	t.Parallel()
	const base64ed = "f11CXlAMGEVFB0AEQw19QhNYMV5CCkFYSltZUFgPSBJHFwwWFg=="
	for _, c := range []struct{ name, next, want string }{
		{"null", `null`, ""},
		{"empty", `""`, ""},
		{"Konnect's example, with its broken escape", `"/api/v2/audit-log-destinations?page%5Bafter%5D=f11CXlAMGEVFB0AEQw19QhNYMV5CCkFYSltZUFgPSBJHFwwWFg%3D%3D&page%5Bsize%5=1"`, base64ed},
		{"Konnect's other example, without a version", `"/audit-logs?page[after]=ewogICJpZCI6ICJoZWysbyB3b3JsZCIKgZ"`, "ewogICJpZCI6ICJoZWysbyB3b3JsZCIKgZ"},
		{"absolute", `"https://eu.api.konghq.com/v3/audit-logs?page%5Bsize%5D=1&page%5Bafter%5D=c1"`, "c1"},
		{"absolute, of another host", `"https://evil.example/v3/audit-logs?page%5bafter%5d=c1#top"`, "c1"},
		{"the broken escape in the cursor's own name", `"/v3/audit-logs?page%5Bafter%5=c1"`, "c1"},
		{"brackets of both kinds", `"?page[after%5D=c1"`, "c1"},
		{"only a query", `"page[after]=c1&page[size]=2"`, "c1"},
		{"a path of no server, relative", `"audit-logs?page[after]=c1"`, "c1"},
		{"bare", `"c1"`, "c1"},
		{"bare, in base64", `"` + base64ed + `"`, base64ed},
		{"bare, in base64 with all its characters", `"+a/b=="`, "+a/b=="},
		{"plus signs are no spaces", `"/x?page[after]=a+b%2Bc"`, "a+b+c"},
		{"an escape that is none", `"/x?page[after]=100%"`, "100%"},
		{"both directions", `"/x?page[before]=b&page[after]=a"`, "a"},
		{"an empty one first", `"/x?page[after]=&page[after]=a"`, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, answer(200, `{"data":[],"meta":{"size":10,"next":`+c.next+`,"previous":`+strings.ReplaceAll(c.next, "after", "before")+`}}`))
			page, err := api.client.Destinations.List(t.Context(), client.DestinationListOptions{})
			require.NoError(t, err)
			require.Equal(t, c.want, page.Next)
			if c.name != "both directions" {
				require.Equal(t, c.want, page.Previous)
			}
		})
	}
}

func TestLinksWithoutCursor(t *testing.T) {
	t.Parallel()
	for _, link := range []string{
		"/v3/audit-logs", "https://eu.api.konghq.com/v3/audit-logs", "/v3/audit-logs?page[size]=10", "/x?page[after]=", "/x?page[after]",
		"/x?page[before]=b", "/x?", "page%5Bsize%5=10", "?c1",
	} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			api := serve(t, answer(200, fmt.Sprintf(`{"data":[],"meta":{"page":{"next":%q}}}`, link)))
			_, err := api.client.Logs.List(t.Context(), client.LogListOptions{})
			require.EqualError(t, err, "client: GET /v3/audit-logs: the link to another page holds no cursor")

			api = serve(t, answer(200, fmt.Sprintf(`{"data":[],"meta":{"page":{"next":null,"previous":%q}}}`, strings.Replace(link, "before", "after", 1))))
			page, err := api.client.Logs.List(t.Context(), client.LogListOptions{})
			require.NoError(t, err, "nobody may want to go back")
			require.Empty(t, page.Previous)
		})
	}
}

// destinationPage is the answer of a page with one destination.
func destinationPage(name, next string) http.HandlerFunc {
	return answer(200, fmt.Sprintf(`{"data":[{"id":%q,"name":%q}],"meta":{"next":%s,"previous":null,"size":1}}`, siemID, name, next))
}

// names ranges over all destinations, and returns their names and the error.
func names(t *testing.T, c *client.Client, options client.DestinationListOptions) ([]string, error) {
	t.Helper()
	var got []string
	for destination, err := range c.Destinations.All(t.Context(), options) {
		if err != nil {
			require.Empty(t, cmp.Diff(webhook.Destination{}, destination))
			return got, err
		}
		got = append(got, destination.Name)
	}
	return got, nil
}

// TestAll follows links to a host of an attacker's choice: only the cursor is
// taken from them.
func TestAll(t *testing.T) {
	t.Parallel()
	evil := serve(t, answer(200, `{}`))
	api := serve(t,
		destinationPage("a", `"`+evil.URL+`/v3/audit-log-destinations?page[after]=c1&page[size]=999&filter[name][contains]=x"`),
		destinationPage("b", `"/api/v2/audit-log-destinations?page%5Bafter%5D=c%3D2&page%5Bsize%5=1"`),
		answer(200, `{"data":[],"meta":{"next":"c3"}}`),
		destinationPage("c", `null`),
	)
	got, err := names(t, api.client, client.DestinationListOptions{NameContains: "SI", Size: 1, Before: "c0"})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, got)
	require.Empty(t, evil.requests(), "the token goes to one host")
	var asked []string
	for _, r := range api.requests() {
		query, err := url.QueryUnescape(strings.TrimPrefix(r.URI, "/v3/audit-log-destinations?"))
		require.NoError(t, err)
		asked = append(asked, query)
	}
	require.Equal(t, []string{
		"filter[name][contains]=SI&page[before]=c0&page[size]=1",
		"filter[name][contains]=SI&page[after]=c1&page[size]=1",
		"filter[name][contains]=SI&page[after]=c=2&page[size]=1",
		"filter[name][contains]=SI&page[after]=c3&page[size]=1",
	}, asked)
}

func TestAllTwice(t *testing.T) {
	t.Parallel()
	api := serve(t, destinationPage("a", `"c1"`), destinationPage("b", `null`), destinationPage("a", `"c1"`), destinationPage("b", `null`))
	all := api.client.Destinations.All(t.Context(), client.DestinationListOptions{After: "c0"})
	for range 2 {
		var got []string
		for destination, err := range all {
			require.NoError(t, err)
			got = append(got, destination.Name)
		}
		require.Equal(t, []string{"a", "b"}, got)
	}
	asked := api.requests()
	require.Len(t, asked, 4)
	require.Equal(t, asked[:2], asked[2:])
	require.Contains(t, asked[0].URI, "=c0")
}

func TestAllStopsWithTheLoop(t *testing.T) {
	t.Parallel()
	api := serve(t, destinationPage("a", `"c1"`), destinationPage("b", `"c2"`))
	for _, err := range api.client.Destinations.All(t.Context(), client.DestinationListOptions{}) {
		require.NoError(t, err)
		break
	}
	require.Len(t, api.requests(), 1)
}

func TestAllEndsInAnError(t *testing.T) {
	t.Parallel()
	const loop = "the pages of the list form a loop"
	for _, c := range []struct {
		name  string
		after string
		steps []http.HandlerFunc
		want  string
		got   []string
	}{
		{"at once", "", []http.HandlerFunc{answer(403, ``)}, "403 Forbidden", nil},
		{"later", "", []http.HandlerFunc{destinationPage("a", `"c1"`), answer(400, ``)}, "400 Bad Request", []string{"a"}},
		{"the same cursor", "", []http.HandlerFunc{destinationPage("a", `"c1"`)}, loop, []string{"a", "a"}},
		{"the cursor that it began with", "c1", []http.HandlerFunc{destinationPage("a", `"c1"`)}, loop, []string{"a"}},
		{"a cursor of before", "", []http.HandlerFunc{
			destinationPage("a", `"c1"`), destinationPage("b", `"c2"`), destinationPage("c", `"/x?page[after]=c1"`),
		}, loop, []string{"a", "b", "c"}},
		{"no word of the next page", "", []http.HandlerFunc{destinationPage("a", `"c1"`), answer(200, `{"data":[{"name":"b"}],"meta":{}}`)}, "decoding the answer: webhook: the page does not tell", []string{"a"}},
		{"another document", "", []http.HandlerFunc{answer(200, `{"message":"welcome"}`)}, "decoding the answer: webhook: the list has no data", nil},
		{"a link without cursor", "", []http.HandlerFunc{destinationPage("a", `"/x"`)}, "no cursor", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := names(t, serve(t, c.steps...).client, client.DestinationListOptions{After: c.after})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.got, got)
		})
	}
}

func TestAllOfTheLog(t *testing.T) {
	t.Parallel()
	api := serve(t,
		answer(200, `{"data":[{"type":"authentication"}],"meta":{"page":{"next":"/audit-logs?page[after]=c1"}}}`),
		answer(200, `{"data":[{"type":"gateway_access"}],"meta":{"page":{"next":null}}}`),
		answer(503, ``, "Retry-After", "0"),
	)
	all := api.client.Logs.All(t.Context(), client.LogListOptions{From: date(1), Before: "c0"})
	var got []webhook.EntryType
	for entry, err := range all {
		require.NoError(t, err)
		got = append(got, entry.Type)
	}
	require.Equal(t, []webhook.EntryType{webhook.AuthenticationEntry, webhook.GatewayAccessEntry}, got)
	for i, cursor := range []string{"page%5Bbefore%5D=c0", "page%5Bafter%5D=c1"} {
		require.Equal(t, "/v3/audit-logs?filter%5Bts%5D%5Bgte%5D=2023-04-01T00%3A00%3A00Z&"+cursor+"&page%5Bsize%5D=1000", api.requests()[i].URI)
	}
	for _, err := range all {
		require.ErrorIs(t, err, client.ErrServer)
	}
	require.Len(t, api.requests(), 7, "five attempts")
}

// TestTheLogDoesNotEndInAnotherDocument shows that an answer which tells nothing
// of a next page is not taken for the end of the log.
func TestTheLogDoesNotEndInAnotherDocument(t *testing.T) {
	t.Parallel()
	const entry = `{"type":"authorization","ts":"2023-03-21T09:29:14Z"}`
	for _, c := range []struct{ name, answer, want string }{
		{"no meta", `{"data":[` + entry + `]}`, "has no meta"},
		{"flat meta, as of destinations", `{"data":[` + entry + `],"meta":{"next":"/v3/audit-logs?page[after]=c1","previous":null,"size":1}}`, "has no page"},
		{"no next", `{"data":[` + entry + `],"meta":{"page":{"previous":null,"size":1}}}`, "does not tell"},
		{"no data", `{"meta":{"page":` + lastPage + `}}`, "has no data"},
		{"another object", `{"message":"welcome"}`, "has no data"},
		{"an empty object", `{}`, "has no data"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var last error
			for entry, err := range serve(t, answer(200, c.answer)).client.Logs.All(t.Context(), client.LogListOptions{}) {
				require.Empty(t, cmp.Diff(webhook.Entry{}, entry))
				last = err
			}
			require.ErrorContains(t, last, "client: GET /v3/audit-logs: decoding the answer: webhook: ")
			require.ErrorContains(t, last, c.want)
		})
	}
}

// TestLargePage shows that a page may be larger than other answers, and not
// without bound.
func TestLargePage(t *testing.T) {
	t.Parallel()
	entry, err := json.Marshal(webhook.Entry{Type: webhook.GatewayAccessEntry, Query: strings.Repeat("q", 2000)})
	require.NoError(t, err)
	entries := bytes.Repeat(append(entry, ','), 999)
	api := serve(t, answer(200, `{"data":[`+string(entries)+string(entry)+`],"meta":{"page":{"next":null}}}`))
	page, err := api.client.Logs.List(t.Context(), client.LogListOptions{Size: 1000})
	require.NoError(t, err)
	require.Len(t, page.Items, 1000)

	endless := withTransport(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(&spaces{})}, nil
	})
	_, err = endless.Logs.List(t.Context(), client.LogListOptions{})
	require.EqualError(t, err, "client: GET /v3/audit-logs: the answer is longer than 67108864 bytes")
}

// spaces is a reader of spaces without end.
type spaces struct{}

var someSpaces = bytes.Repeat([]byte(" "), 1<<16)

func (*spaces) Read(p []byte) (int, error) { return copy(p, someSpaces), nil }

// FuzzLink gives the client any link: what it asks for next must go to the same
// path with the same filter, and a loop must end.
func FuzzLink(f *testing.F) {
	for _, link := range []string{
		"", "c1", "/x?page[after]=c1", "https://evil.example/?page%5Bafter%5D=%41&page%5Bsize%5=1", "?page[after]=\x00", "page[after]=a#b", "/x?page[after]=%", "%5", "&=?#",
	} {
		f.Add(link)
	}
	f.Fuzz(func(t *testing.T, link string) {
		body, err := json.Marshal(map[string]any{"data": []any{}, "meta": map[string]any{"next": link, "previous": link}})
		if err != nil {
			t.Skip()
		}
		asked := 0
		c := withTransport(t, func(r *http.Request) (*http.Response, error) {
			asked++
			require.Equal(t, "https://eu.api.konghq.com/v3/audit-log-destinations", r.URL.Scheme+"://"+r.URL.Host+r.URL.Path)
			query, err := url.ParseQuery(r.URL.RawQuery)
			require.NoError(t, err)
			require.Equal(t, "x", query.Get("filter[name][eq]"))
			require.Equal(t, asked > 1, query.Get("page[after]") != "")
			return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(body))}, nil
		})
		_, err = names(t, c, client.DestinationListOptions{Name: "x"})
		require.LessOrEqual(t, asked, 2)
		require.False(t, asked == 2 && err == nil, "the second page names itself as the next")
		var refusal *client.APIError
		require.NotErrorAs(t, err, &refusal)
	})
}
