package konnectapi_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// names returns the names in a list of destinations.
func (a answer) names(t testing.TB) []string {
	t.Helper()
	var names []string
	for _, d := range a.list(t).Data {
		names = append(names, d.Name)
	}
	return names
}

func (a answer) list(t testing.TB) webhook.DestinationList {
	t.Helper()
	require.Equal(t, http.StatusOK, a.code, a.body)
	var list webhook.DestinationList
	require.NoError(t, json.Unmarshal([]byte(a.body), &list))
	return list
}

// Pages forward and back again.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, total := range []int{0, 1, 2, 3, 4, 7} {
		for _, size := range []int{1, 2, 3, 5000} {
			t.Run(fmt.Sprintf("%d by %d", total, size), func(t *testing.T) {
				t.Parallel()
				s := newSetup(t)
				var all []string
				for i := range total {
					all = append(all, fmt.Sprint(i))
					s.create(fmt.Sprint(i))
				}
				var forward, back []string
				at := fmt.Sprintf("%s?page[size]=%d&page[after]=&page[before]=", destinationsV3, size)
				last, pages := at, 0
				for ; at != ""; pages++ {
					got := s.do(call{method: http.MethodGet, path: at})
					forward = append(forward, got.names(t)...)
					require.LessOrEqual(t, len(got.names(t)), size)
					require.Equal(t, size, got.list(t).Meta.Size)
					last, at = at, got.list(t).Meta.Next
				}
				require.Equal(t, all, forward)
				require.Equal(t, max(1, (total+size-1)/size), pages)
				for at = last; at != ""; {
					got := s.do(call{method: http.MethodGet, path: at})
					back = append(got.names(t), back...)
					at = got.list(t).Meta.Previous
				}
				require.Equal(t, all, back)
			})
		}
	}
}

// A page after one that was deleted begins where it would have been.
func TestPageAfterWhatWasDeleted(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for i := range 4 {
		s.create(fmt.Sprint(i))
	}
	first := s.do(call{method: http.MethodGet, path: destinationsV3 + "?page[size]=2"}).list(t)
	s.ok(204, http.MethodDelete, destinationsV3+"/"+first.Data[1].ID, "")
	second := s.do(call{method: http.MethodGet, path: first.Meta.Next})
	require.Equal(t, []string{"2", "3"}, second.names(t))
	require.Equal(t, []string{"0"}, s.do(call{method: http.MethodGet, path: second.list(t).Meta.Previous}).names(t))
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for _, name := range []string{"Splunk", "Splunk EU", "Datadog"} {
		s.create(name)
	}
	for _, test := range []struct {
		query string
		want  []string
		v2    bool // only version 2 has it
	}{
		{query: "filter[name][eq]=Splunk", want: []string{"Splunk"}},
		{query: "filter%5Bname%5D%5Bcontains%5D=Splunk", want: []string{"Splunk", "Splunk EU"}},
		{query: "filter[name][contains]=splunk"},
		{query: "filter[name][contains]=", want: []string{"Splunk", "Splunk EU", "Datadog"}},
		{query: "filter[name][eq]="},
		{query: "filter[name]=Datadog", want: []string{"Datadog"}, v2: true},
	} {
		t.Run(test.query, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, s.do(call{method: http.MethodGet, path: destinationsV2 + "?" + test.query}).names(t))
			got := s.do(call{method: http.MethodGet, path: destinationsV3 + "?" + test.query})
			if test.v2 {
				require.Equal(t, 400, got.code)
			} else {
				require.Equal(t, test.want, got.names(t))
			}
		})
	}
	// The links keep them.
	got := s.do(call{method: http.MethodGet, path: destinationsV3 + "?filter[name][contains]=Splunk&page[size]=1"}).list(t)
	require.Equal(t, []string{"Splunk EU"}, s.do(call{method: http.MethodGet, path: got.Meta.Next}).names(t))
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for i := range 3 {
		s.create(fmt.Sprint(i))
	}
	next := s.do(call{method: http.MethodGet, path: destinationsV3 + "?page[size]=1"}).list(t).Meta.Next
	link, err := url.Parse(next)
	require.NoError(t, err)
	cursor := link.Query().Get("page[after]")
	changed := []byte(cursor)
	changed[len(changed)/2] ^= 1
	for _, test := range []struct {
		name, query, field, rule string
		token                    string
	}{
		{name: "size", query: "page[size]=x", field: "page[size]", rule: "is_integer"},
		{name: "huge size", query: "page[size]=99999999999999999999", field: "page[size]", rule: "is_integer"},
		{name: "no size", query: "page[size]=0", field: "page[size]", rule: "min"},
		{name: "negative size", query: "page[size]=-1", field: "page[size]", rule: "min"},
		{name: "twice", query: "page[size]=1&page[size]=2", field: "page[size]", rule: "invalid"},
		{name: "unknown", query: "t0k-x=1", field: "query", rule: "unknown_property"},
		{name: "unknown operator", query: "filter[name][neq]=1", field: "query", rule: "unknown_property"},
		{name: "two filters", query: "filter[name][eq]=1&filter[name][contains]=1", field: "filter[name][contains]", rule: "invalid"},
		{name: "malformed", query: "page[size]=%zz", field: "query", rule: "invalid"},
		{name: "semicolon", query: "a=1;b=2", field: "query", rule: "invalid"},
		{name: "both directions", query: "page[after]=a&page[before]=b", field: "page[before]", rule: "invalid"},
		{name: "no cursor", query: "page[after]=t0k-x", field: "page[after]", rule: "invalid"},
		{name: "no cursor before", query: "page[before]=!", field: "page[before]", rule: "invalid"},
		{name: "changed", query: "page[size]=1&page[after]=" + string(changed), field: "page[after]", rule: "invalid"},
		{name: "cut", query: "page[size]=1&page[after]=" + cursor[:len(cursor)-4], field: "page[after]", rule: "invalid"},
		{name: "padded", query: "page[size]=1&page[after]=" + cursor + "=", field: "page[after]", rule: "invalid"},
		{name: "another size", query: "page[size]=2&page[after]=" + cursor, field: "page[after]", rule: "invalid"},
		{name: "no size with the cursor", query: "page[after]=" + cursor, field: "page[after]", rule: "invalid"},
		{name: "another filter", query: "page[size]=1&filter[name][contains]=1&page[after]=" + cursor, field: "page[after]", rule: "invalid"},
		{name: "another direction", query: "page[size]=1&page[before]=" + cursor, field: "page[before]", rule: "invalid"},
		{name: "another tenant", query: "page[size]=1&page[after]=" + cursor, field: "page[after]", rule: "invalid", token: "other-admin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := s.do(call{method: http.MethodGet, path: destinationsV3 + "?" + test.query, token: test.token})
			require.Equal(t, 400, got.code, got.body)
			p := s.requireProblem(got)
			require.Equal(t, test.field, p.InvalidParameters[0].Field)
			require.Equal(t, test.rule, p.InvalidParameters[0].Rule)
			require.Equal(t, "query", p.InvalidParameters[0].Source)
		})
	}
	require.True(t, slices.Contains(strings.Split(next, "&"), "page%5Bsize%5D=1"))
}
