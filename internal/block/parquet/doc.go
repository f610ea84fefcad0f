// Package parquet is the part of the Apache Parquet file format that blocks
// need: the structures of the footer, of the page indexes and of page headers,
// their thrift compact encoding, and the encodings of a page's levels and
// values. It knows nothing of traces.
//
// Writing (names that begin with Append) allocates nothing but what its
// destination slice has to grow by. Reading takes bytes of any origin: each
// input gives a value or an error, in bounded memory, and never a panic.
//
// Source: https://github.com/apache/parquet-format, version 2.10.
package parquet
