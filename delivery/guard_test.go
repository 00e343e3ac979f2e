package delivery_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

func TestGuardCheck(t *testing.T) {
	t.Parallel()

	tests := []struct{ addr, rule string }{ // an empty rule: allowed
		{"93.184.216.34", ""},
		{"1.1.1.1", ""},
		{"100.63.255.255", ""},
		{"100.128.0.0", ""},
		{"172.15.255.255", ""},
		{"172.32.0.0", ""},
		{"192.0.1.0", ""},
		{"198.17.255.255", ""},
		{"198.20.0.0", ""},
		{"223.255.255.255", ""},
		{"168.63.129.17", ""},
		{"2606:4700:4700::1111", ""},
		{"2001:200::1", ""},
		{"2a00:1450:4001::1", ""},

		{"0.0.0.0", "unspecified"},
		{"0.1.2.3", "unspecified"},
		{"10.0.0.0", "private network"},
		{"10.255.255.255", "private network"},
		{"100.64.0.0", "shared address space"},
		{"100.127.255.255", "shared address space"},
		{"100.100.100.200", "cloud metadata"},
		{"127.0.0.1", "loopback"},
		{"127.255.255.255", "loopback"},
		{"168.63.129.16", "cloud metadata"},
		{"169.254.0.1", "link-local"},
		{"169.254.169.254", "cloud metadata"},
		{"169.254.170.2", "cloud metadata"},
		{"172.16.0.0", "private network"},
		{"172.31.255.255", "private network"},
		{"192.0.0.8", "reserved"},
		{"192.0.0.192", "cloud metadata"},
		{"192.0.2.1", "documentation"},
		{"192.88.99.1", "6to4"},
		{"192.168.0.1", "private network"},
		{"198.18.0.0", "benchmarking"},
		{"198.19.255.255", "benchmarking"},
		{"198.51.100.1", "documentation"},
		{"203.0.113.1", "documentation"},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.1", "reserved"},
		{"255.255.255.255", "broadcast"},

		{"::", "unspecified"},
		{"::1", "loopback"},
		{"::10.0.0.1", "reserved"},
		{"::8.8.8.8", "reserved"},
		{"::ffff:93.184.216.34", ""},
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:10.0.0.1", "private network"},
		{"::ffff:169.254.169.254", "cloud metadata"},
		{"64:ff9b::93.184.216.34", ""},
		{"64:ff9b::10.0.0.1", "private network"},
		{"64:ff9b::169.254.169.254", "cloud metadata"},
		{"64:ff9b::127.0.0.1", "loopback"},
		{"64:ff9b:1::8.8.8.8", "NAT64"},
		{"100::1", "reserved"},
		{"1fff::1", "reserved"},
		{"4000::1", "reserved"},
		{"5f00::1", "reserved"},
		{"2001::1", "Teredo"},
		{"2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"},
		{"2001:2::1", "benchmarking"},
		{"2001:10::1", "reserved"},
		{"2001:20::1", "reserved"},
		{"2001:1ff::1", "reserved"},
		{"2001:db8::1", "documentation"},
		{"3fff:fff::1", "documentation"},
		{"2002:a00:1::1", "6to4"},
		{"2002:808:808::1", "6to4"},
		{"fc00::1", "private network"},
		{"fdff::1", "private network"},
		{"fd00:ec2::254", "cloud metadata"},
		{"fd20:ce::254", "cloud metadata"},
		{"fe80::1", "link-local"},
		{"fe80::1%eth0", "link-local"},
		{"fec0::1", "reserved"},
		{"ff02::1", "multicast"},
		{"::1%lo", "loopback"},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			t.Parallel()
			addr := netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 443)
			err := new(delivery.Guard).Check(addr)
			if tt.rule == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, &delivery.GuardError{Addr: addr, Rule: tt.rule}, err)
			require.EqualError(t, err, "the dial guard refuses the address: "+tt.rule)
		})
	}

	err := new(delivery.Guard).Check(netip.AddrPort{})
	require.ErrorContains(t, err, "reserved")
}

func TestGuardAllow(t *testing.T) {
	t.Parallel()

	guard := &delivery.Guard{
		Allow: []netip.Prefix{
			netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32"), netip.MustParsePrefix("fe80::/10"),
		},
		Ports: []uint16{443, 8088},
	}
	tests := []struct {
		addr string
		want bool
	}{
		{"10.1.2.3:443", true},
		{"10.1.2.3:8088", true},
		{"10.1.2.3:80", false},
		{"10.2.0.1:443", false},
		{"[::ffff:10.1.2.3]:443", true},
		{"[64:ff9b::a01:203]:443", true},
		{"[64:ff9b::a02:203]:443", false},
		{"[fd00:1::1]:443", true},
		{"[fd00:2::1]:443", false},
		{"[fe80::1%eth0]:443", true},
		{"1.1.1.1:443", true},
		{"1.1.1.1:22", false},
		{"127.0.0.1:443", false},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, guard.Check(netip.MustParseAddrPort(tt.addr)) == nil)
		})
	}

	translated := &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96")}}
	require.NoError(t, translated.Check(netip.MustParseAddrPort("[64:ff9b::a00:1]:443")))
	require.Error(t, translated.Check(netip.MustParseAddrPort("10.0.0.1:443")))
}

// The guard at work: after DNS, when dialling.
func TestGuardedDelivery(t *testing.T) {
	t.Parallel()

	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tests := []struct {
		name  string
		guard *delivery.Guard
		host  string
		rule  string // empty: delivered
	}{
		{"off", nil, "127.0.0.1", ""},
		{"on", &delivery.Guard{}, "127.0.0.1", "loopback"},
		{"by name", &delivery.Guard{}, "localhost", "loopback"},
		{"allowed", &delivery.Guard{Allow: loopback}, "127.0.0.1", ""},
		{"another port", &delivery.Guard{Allow: loopback, Ports: []uint16{443}}, "127.0.0.1", "port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, status(200))
			cfg := receiver.config()
			cfg.Guard = tt.guard
			cfg.Endpoint = strings.Replace(cfg.Endpoint, "127.0.0.1", tt.host, 1)
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
			if tt.rule == "" {
				require.NoError(t, err)
				require.Len(t, receiver.received(), 1)
				return
			}
			requireGuarded(t, err, tt.rule)
			require.Len(t, result.Attempts, 1)
			require.Zero(t, receiver.connections())
		})
	}
}

func requireGuarded(t *testing.T, err error, rule string) {
	t.Helper()
	failed := failure(t, err, delivery.ReasonGuard)
	require.False(t, failed.Retryable)
	refusal, ok := errors.AsType[*delivery.GuardError](err)
	require.True(t, ok)
	require.Equal(t, rule, refusal.Rule)
	require.Contains(t, err.Error(), "the dial guard refuses the address: "+rule)
}

// A replaced dialler takes the guard out, as its documentation says.
func TestReplacedDiallerTakesTheGuardOut(t *testing.T) {
	t.Parallel()

	receiver := newPipeReceiver(t, status(200))
	cfg := receiver.config()
	cfg.Guard = &delivery.Guard{}
	_, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	require.NoError(t, err)
}

func ExampleGuard() {
	guard := &delivery.Guard{
		Allow: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}, // the collectors of our own
		Ports: []uint16{443},
	}
	for _, addr := range []string{"93.184.216.34:443", "10.20.1.1:443", "10.0.0.1:443", "93.184.216.34:22"} {
		fmt.Println(addr, guard.Check(netip.MustParseAddrPort(addr)))
	}
	// Output:
	// 93.184.216.34:443 <nil>
	// 10.20.1.1:443 <nil>
	// 10.0.0.1:443 the dial guard refuses the address: private network
	// 93.184.216.34:22 the dial guard refuses the address: port
}
