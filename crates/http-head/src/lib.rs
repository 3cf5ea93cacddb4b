//! One reading of an HTTP/1 request head (RFC 9112): what is judged, how its body is framed, and
//! whether two recipients could differ about either. A head that lets them differ is refused.
