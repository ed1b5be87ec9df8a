package forward

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"
)

const journalSocket = "/run/systemd/journal/socket"

// journalTarget sends to the journal, by its native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). A line and its fields always fit
// into a datagram, unless somebody has made net.core.wmem_default small: so none
// is passed in a memfd.
func journalTarget(o Options) *target {
	path := o.JournalSocket
	if path == "" {
		path = journalSocket
	}
	dial := func(ctx context.Context) (*link, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unixgram", path)
		if err != nil {
			return nil, err
		}
		return &link{Conn: c}, nil
	}
	return newTarget("the journal", native(field(o.Service, 255)), dial, o.Problem)
}

// native is the form of the journal's own protocol.
func native(service string) form {
	names := "\nSYSLOG_FACILITY=" + strconv.Itoa(daemon) + "\nSYSLOG_IDENTIFIER=" + service + "\nGSV_SERVICE=" + service + "\nGSV_RUN="
	return func(b []byte, m *message) []byte {
		b = append(b, "PRIORITY="...)
		b = strconv.AppendInt(b, int64(m.severity), 10)
		b = append(b, names...)
		b = strconv.AppendInt(b, int64(m.gen), 10)
		if m.stream != Both {
			b = append(b, "\nGSV_STREAM="...)
			b = append(b, m.stream.String()...)
		}
		b = append(b, "\nSYSLOG_TIMESTAMP="...) // the journal's own is of when it gets the line
		b = m.at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
		b = append(b, "\nMESSAGE\n"...) // with its length, whatever is in it
		b = binary.LittleEndian.AppendUint64(b, uint64(len(m.text)))
		b = append(b, m.text...)
		return append(b, '\n')
	}
}
