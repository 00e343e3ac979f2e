package webhook_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestBindingJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		b    webhook.Binding
		want string
	}{
		{"bound", webhook.Binding{DestinationID: destinationID, Enabled: true}, `{"audit_log_destination_id":"` + destinationID + `","enabled":true}`},
		{"unbound", webhook.Binding{}, `{"enabled":false}`},
	} {
		data, err := json.Marshal(c.b)
		require.NoError(t, err)
		require.Equal(t, c.want, string(data), c.name)
	}
	for _, text := range []string{`{}`, `{"audit_log_destination_id":null,"enabled":null}`, `{"audit_log_destination_id":"","other":1}`} {
		var b webhook.Binding
		require.NoError(t, json.Unmarshal([]byte(text), &b))
		require.Equal(t, webhook.Binding{}, b, text)
	}
}

func TestBindingPatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       webhook.BindingPatch
	}{
		{"nothing", `{}`, webhook.BindingPatch{}},
		{"destination: enabled is not sent", `{"audit_log_destination_id":"` + destinationID + `"}`, webhook.BindingPatch{DestinationID: webhook.Set(destinationID)}},
		{"switching off", `{"enabled":false}`, webhook.BindingPatch{Enabled: webhook.Set(false)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.want)
			require.NoError(t, err)
			require.Equal(t, c.body, string(data))
			require.Equal(t, c.body == `{}`, c.want.IsZero())
			require.NoError(t, c.want.Validate())
			back, err := webhook.DecodeBindingPatch(data)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, back))
		})
	}
	got, err := webhook.DecodeBindingPatch([]byte(`{"audit_log_destination_id":null,"enabled":false}`))
	require.NoError(t, err, "Terraform's null")
	require.Empty(t, cmp.Diff(webhook.BindingPatch{Enabled: webhook.Set(false)}, got))

	got, err = webhook.DecodeBindingPatch([]byte(`{"audit_log_destination_id":7,"enabled":"true","endpoint":""}`))
	require.EqualError(t, err, "webhook: audit_log_destination_id: must be a string; enabled: must be a boolean; endpoint: is not a known property")
	require.True(t, got.IsZero())
}

func TestIsID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{destinationID, "07EC3858-066B-4629-BDC5-D4AA893B424D", "00000000-0000-0000-0000-000000000000"} {
		require.True(t, webhook.IsID(id), id)
	}
	for _, id := range []string{
		"", "x", "..", destinationID + "0", destinationID[1:], "07ec3858x066b-4629-bdc5-d4aa893b424d", "07ec3858-066b-4629-bdc5-d4aa893b424g",
		"07ec3858-066b-4629-bdc5/d4aa893b424d", "{07ec3858-066b-4629-bdc5-d4aa893b42}", "07ec3858-066b-4629-bdc5-d4aa893b424:", "07ec3858-066b-4629-bdc5-d4aa893b424@",
	} {
		require.False(t, webhook.IsID(id), id)
		requireInvalid(t, webhook.BindingPatch{DestinationID: webhook.Set(id)}.Validate(), webhook.ValidationError{
			Detail:     "Could not parse destination id",
			Parameters: []webhook.InvalidParameter{{Field: "audit_log_destination_id", Reason: "destination id format is invalid"}},
		})
	}
}
