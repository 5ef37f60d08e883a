#pragma once

#include "key-user-api/pkcs11/keys.h"

namespace sks::p11 {

/// Where the application wants output: a null `data` asks for the size.
struct Buffer {
  CK_BYTE* data;
  CK_ULONG* size;
};

/// What a call answers, and whether its operation goes on: it ends with a result, and with every failure but a buffer
/// that is too small.
struct Step {
  CK_RV code;
  bool goes_on;
};

/// A cryptographic operation between its C_...Init and its end. One thread at a time.
///
/// In one part it is one round trip. In parts, what is to be signed, verified or hashed is gathered here as long as it
/// is short; what is long, and all that is encrypted, goes to the daemon as it comes.
class Operation {
 public:
  struct Start {
    Kind kind;
    EncodedMechanism mechanism;
    std::uint32_t slot;
    CK_OBJECT_HANDLE key;  ///< 0 for digests
    KeyFacts facts;
  };
  Operation(Daemon& daemon, Start start) : daemon_(daemon), start_(std::move(start)) {}

  Kind kind() const { return start_.kind; }
  CK_OBJECT_HANDLE key() const { return start_.key; }
  bool asks_for_pin() const { return start_.facts.always_authenticate; }
  /// The answer of loginForOperation.
  void set_ticket(std::uint32_t ticket, Era era);

  /// C_Encrypt, C_Decrypt, C_Sign, C_Digest.
  Step one_part(ByteView data, Buffer out);
  Step verify(ByteView data, ByteView signature);
  /// C_EncryptUpdate, C_DecryptUpdate.
  Step update(ByteView part, Buffer out);
  /// C_SignUpdate, C_VerifyUpdate, C_DigestUpdate.
  Step update(ByteView part);
  /// C_EncryptFinal, C_DecryptFinal, C_SignFinal, C_DigestFinal.
  Step finish(Buffer out);
  Step finish_verify(ByteView signature);

  /// Tells the daemon that nothing more comes, if it knows of the operation.
  void cancel();

 private:
  struct Size {
    std::size_t most;
    bool is_exact;
  };
  /// Output of the daemon and the memory that it is in.
  struct Produced {
    SecureBytes memory;
    ByteView bytes;
  };
  /// Output that did not fit into the application's buffer: computing it again would be another use of the key, and the
  /// daemon has gone on.
  struct Kept {
    SecureBytes input;
    SecureBytes output;
    bool is_last;
  };
  struct Remote {
    std::uint32_t operation;
    Era era;
  };

  Size size_of(std::size_t input) const;
  std::size_t input_limit() const;
  Rv too_long() const;
  /// Kind, object, mechanism and ticket, as operate and begin have them.
  void write_start(Request& request) const;

  Answer<Produced> call_for_bytes(Request request) const;
  Answer<Produced> whole(ByteView data);
  Answer<void> begin();
  Answer<Produced> send_part(ByteView part);
  /// A part of any length, after begin(). Collects what comes back.
  Answer<Produced> send(ByteView part);
  Answer<Produced> end_remote();
  Answer<void> verify_whole(ByteView data, ByteView signature);
  bool is_plausible(const Size& size, std::size_t produced) const;

  Answer<void> gather(ByteView part);
  ByteView gathered() const { return gathered_.view().first(gathered_size_); }

  Step hand_out(ByteView output, ByteView input, Buffer out, bool is_last);
  Step hand_out_kept(Buffer out);

  Daemon& daemon_;
  Start start_;
  std::uint32_t ticket_ = 0;
  Era ticket_era_ = 0;
  bool in_parts_ = false;
  std::optional<Remote> remote_;
  std::optional<Kept> kept_;
  SecureBytes gathered_;
  std::size_t gathered_size_ = 0;
  std::uint64_t taken_ = 0;     // bytes that went in
  std::uint64_t produced_ = 0;  // and came out
};

}  // namespace sks::p11
