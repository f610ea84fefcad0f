package harness

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ListeningAddresses lists the TCP addresses that a process listens on.
func ListeningAddresses(t testing.TB, pid int) []netip.AddrPort {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	sockets := openSockets(t, dir)
	var addrs []netip.AddrPort
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join(dir, "net", table))
		if err != nil {
			t.Fatalf("list sockets: %v", err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			const listening = "0A"
			// slot, local, remote, state, ..., the tenth is the inode
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != listening || !sockets[fields[9]] {
				continue
			}
			addr, err := parseSocketAddress(fields[1])
			if err != nil {
				t.Fatalf("parse %s: %v", f.Name(), err)
			}
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// openSockets is the inodes of the sockets that a process has open.
func openSockets(t testing.TB, dir string) map[string]bool {
	t.Helper()
	fds, err := filepath.Glob(filepath.Join(dir, "fd", "*"))
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[string]bool{}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue // closed meanwhile
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes
}

// parseSocketAddress reads an address as /proc/net/tcp has it: 32-bit words in
// the order of the machine, a colon, the port.
func parseSocketAddress(s string) (netip.AddrPort, error) {
	ip, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(ip)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for word := range slices.Chunk(b, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address of %d bytes", len(b))
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), nil
}
