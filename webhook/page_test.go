package webhook_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestPageMetaJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, json string
		meta       webhook.PageMeta
	}{
		{"the only page", `{"next":null,"previous":null,"size":10}`, webhook.PageMeta{Size: 10}},
		{
			"in the middle", `{"next":"/n","previous":"/p","first":"/f","last":"/l","size":2}`,
			webhook.PageMeta{Next: "/n", Previous: "/p", First: "/f", Last: "/l", Size: 2},
		},
	} {
		data, err := json.Marshal(c.meta)
		require.NoError(t, err)
		require.Equal(t, c.json, string(data), c.name)
		var back webhook.PageMeta
		require.NoError(t, json.Unmarshal(data, &back))
		require.Empty(t, cmp.Diff(c.meta, back), c.name)
	}
	for text, want := range map[string]webhook.PageMeta{
		`{"next":null}`:             {},
		`{"next":"","total":7}`:     {},
		`{"next":null,"size":10.0}`: {Size: 10},
		`{"next":null,"size":"10"}`: {Size: 10},
		`{"next":null,"size":-1}`:   {},
		`{"next":null,"size":1e99}`: {},
		`{"size":null,"next":"c"}`:  {Next: "c"},
	} {
		var got webhook.PageMeta
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Empty(t, cmp.Diff(want, got), text)
	}
	for _, text := range []string{`{}`, `null`, `{"previous":null,"size":10}`} {
		require.ErrorContains(t, json.Unmarshal([]byte(text), &webhook.PageMeta{}), "webhook: the page does not tell", text)
	}
	require.ErrorContains(t, json.Unmarshal([]byte(`{"next":1}`), &webhook.PageMeta{}), "webhook: ")
}

func TestLists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		list any
		want string
	}{
		{"no destinations", webhook.DestinationList{}, `{"data":[],"meta":{"next":null,"previous":null,"size":0}}`},
		{"no entries", webhook.EntryList{}, `{"data":[],"meta":{"page":{"next":null,"previous":null,"size":0}}}`},
		{
			"entries", webhook.EntryList{Data: []webhook.Entry{{Type: "other"}}, Meta: webhook.PageMeta{Next: "c", Size: 1}},
			`{"data":[{"type":"other","ts":"0001-01-01T00:00:00Z","signature":""}],"meta":{"page":{"next":"c","previous":null,"size":1}}}`,
		},
	} {
		data, err := json.Marshal(c.list)
		require.NoError(t, err)
		require.Equal(t, c.want, string(data), c.name)
	}

	want := siem()
	want.Authorization = webhook.Secret{}
	data, err := json.Marshal(webhook.DestinationList{Data: []webhook.Destination{siem()}, Meta: webhook.PageMeta{Next: "c"}})
	require.NoError(t, err)
	var destinations webhook.DestinationList
	require.NoError(t, json.Unmarshal(data, &destinations))
	require.Empty(t, cmp.Diff(webhook.DestinationList{Data: []webhook.Destination{want}, Meta: webhook.PageMeta{Next: "c"}}, destinations))

	var entries webhook.EntryList
	require.NoError(t, json.Unmarshal([]byte(`{"data":[{"type":"x"}],"meta":{"page":{"next":"c"}}}`), &entries))
	require.Empty(t, cmp.Diff(webhook.EntryList{Data: []webhook.Entry{{Type: "x"}}, Meta: webhook.PageMeta{Next: "c"}}, entries))

	for _, bad := range []string{`[]`, `{"data":{},"meta":{"next":null,"page":{"next":null}}}`, `{"data":[],"meta":[]}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &webhook.DestinationList{}), bad)
		require.Error(t, json.Unmarshal([]byte(bad), &webhook.EntryList{}), bad)
	}
}

// What is absent must not pass for the end of a list; null is the end.
func TestListsThatLackMembers(t *testing.T) {
	t.Parallel()
	const whole, noNext = "", "webhook: the page does not tell whether there is a next one"
	const noData, noMeta, noPage = "webhook: the list has no data", "webhook: the list has no meta", "webhook: the meta of the list has no page"
	for _, c := range []struct{ name, json, destinations, entries string }{
		{"both metas", `{"data":[],"meta":{"next":null,"page":{"next":null}}}`, whole, whole},
		{"null for empty data", `{"data":null,"meta":{"next":null,"page":{"next":null}}}`, whole, whole},
		{"nothing", `{}`, noData, noData},
		{"null", `null`, noData, noData},
		{"another document", `{"message":"welcome"}`, noData, noData},
		{"no data", `{"meta":{"next":null,"page":{"next":null}}}`, noData, noData},
		{"no meta", `{"data":[]}`, noMeta, noMeta},
		{"null for meta", `{"data":[],"meta":null}`, noNext, noPage},
		{"empty meta", `{"data":[],"meta":{}}`, noNext, noPage},
		{"flat meta", `{"data":[],"meta":{"next":"c","previous":null,"size":1}}`, whole, noPage},
		{"nested meta", `{"data":[],"meta":{"page":{"next":"c","previous":null,"size":1}}}`, noNext, whole},
		{"null for page", `{"data":[],"meta":{"next":null,"page":null}}`, whole, noNext},
		{"no next", `{"data":[],"meta":{"previous":null,"size":1,"page":{"previous":null,"size":1}}}`, noNext, noNext},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for list, want := range map[any]string{new(webhook.DestinationList): c.destinations, new(webhook.EntryList): c.entries} {
				err := json.Unmarshal([]byte(c.json), list)
				if want == whole {
					require.NoError(t, err, "%T", list)
				} else {
					require.EqualError(t, err, want, "%T", list)
				}
			}
		})
	}
}

func TestKeySetJSON(t *testing.T) {
	t.Parallel()
	const text = `{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"3f60bc43","crv":"Ed25519","x":"XWxGtApfcqmKI7p0OKnF5JSEWMVoLsytFXLEP7xZ_l8"}]}`
	var set webhook.KeySet
	require.NoError(t, json.Unmarshal([]byte(text), &set))
	require.Equal(t, webhook.KeySet{Keys: []webhook.Key{{
		Type: "OKP", Algorithm: "EdDSA", ID: "3f60bc43", Curve: "Ed25519", X: "XWxGtApfcqmKI7p0OKnF5JSEWMVoLsytFXLEP7xZ_l8",
	}}}, set)
	data, err := json.Marshal(set)
	require.NoError(t, err)
	require.Equal(t, text, string(data))
}
