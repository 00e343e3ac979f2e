package webhook_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestOptional(t *testing.T) {
	t.Parallel()
	var absent webhook.Optional[bool]
	value, ok := absent.Get()
	require.False(t, value)
	require.False(t, ok)
	require.True(t, absent.IsZero())

	set := webhook.Set(false)
	value, ok = set.Get()
	require.False(t, value)
	require.True(t, ok, "a zero value that was set is set")
	require.False(t, set.IsZero())
}

func TestOptionalEqual(t *testing.T) {
	t.Parallel()
	noon := time.Date(2023, 4, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		equal bool
		want  bool
	}{
		{"both absent", webhook.Optional[int]{}.Equal(webhook.Optional[int]{}), true},
		{"absent and zero", webhook.Optional[int]{}.Equal(webhook.Set(0)), false},
		{"zero and absent", webhook.Set(0).Equal(webhook.Optional[int]{}), false},
		{"same", webhook.Set(1).Equal(webhook.Set(1)), true},
		{"different", webhook.Set(1).Equal(webhook.Set(2)), false},
		{"by the type's own method", webhook.Set(noon).Equal(webhook.Set(noon.In(time.FixedZone("", 3600)))), true},
		{"secrets", webhook.Set(webhook.NewSecret("a")).Equal(webhook.Set(webhook.NewSecret("a"))), true},
		{"different secrets", webhook.Set(webhook.NewSecret("a")).Equal(webhook.Set(webhook.NewSecret("b"))), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.equal)
		})
	}
	require.Empty(t, cmp.Diff(webhook.Set(1), webhook.Set(1)))
	require.NotEmpty(t, cmp.Diff(webhook.Set(1), webhook.Optional[int]{}))
}

func TestOptionalJSON(t *testing.T) {
	t.Parallel()
	type object struct {
		A webhook.Optional[int]    `json:"a,omitzero"`
		B webhook.Optional[bool]   `json:"b"`
		C webhook.Optional[string] `json:"c,omitzero"`
	}
	for _, c := range []struct {
		name   string
		object object
		json   string
	}{
		{"absent", object{}, `{"b":null}`},
		{"zero values", object{A: webhook.Set(0), B: webhook.Set(false), C: webhook.Set("")}, `{"a":0,"b":false,"c":""}`},
		{"values", object{A: webhook.Set(1), B: webhook.Set(true), C: webhook.Set("x")}, `{"a":1,"b":true,"c":"x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.object)
			require.NoError(t, err)
			require.Equal(t, c.json, string(data))

			var back object
			require.NoError(t, json.Unmarshal(data, &back))
			require.Empty(t, cmp.Diff(c.object, back))
		})
	}
}

func TestOptionalUnmarshalReplaces(t *testing.T) {
	t.Parallel()
	o := webhook.Set(1)
	require.NoError(t, o.UnmarshalJSON([]byte(" null ")))
	require.True(t, o.IsZero())

	o = webhook.Set(1)
	require.Error(t, o.UnmarshalJSON([]byte(`"one"`)))
	require.True(t, o.IsZero())
}
