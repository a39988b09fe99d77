// Generated from the tables in ept/arch by eptsim-arch-package: do not edit.
// scripts/check-generated compares it and names the command that renews it.

package arch_pkg;

  // EPT paging-structure entries
  // READ, SDM 31.3.2
  localparam int unsigned EptEntryRead = 0;
  // WRITE, SDM 31.3.2
  localparam int unsigned EptEntryWrite = 1;
  // EXECUTE, SDM 31.3.2
  localparam int unsigned EptEntryExecute = 2;
  // MEMORY_TYPE, SDM 31.3.7
  localparam int unsigned EptEntryMemoryTypeHigh = 5;
  localparam int unsigned EptEntryMemoryTypeLow = 3;
  // IGNORE_PAT, SDM 31.3.7
  localparam int unsigned EptEntryIgnorePat = 6;
  // PAGE_SIZE, SDM 31.3.2
  localparam int unsigned EptEntryPageSize = 7;
  // ACCESSED, SDM 31.3.5
  localparam int unsigned EptEntryAccessed = 8;
  // DIRTY, SDM 31.3.5
  localparam int unsigned EptEntryDirty = 9;
  // USER_EXECUTE, SDM 31.3.2
  localparam int unsigned EptEntryUserExecute = 10;
  // ADDRESS, SDM 31.3.2
  localparam int unsigned EptEntryAddressHigh = 51;
  localparam int unsigned EptEntryAddressLow = 12;
  // VERIFY, SDM 31.3.3.2
  localparam int unsigned EptEntryVerify = 57;
  // PAGING_WRITE_ACCESS, SDM 31.3.3.2
  localparam int unsigned EptEntryPagingWriteAccess = 58;
  // SUPERVISOR_SHADOW_STACK, SDM 31.3.3.2
  localparam int unsigned EptEntrySupervisorShadowStack = 60;
  // SUBPAGE_WRITE_PERMISSION, SDM 31.3.4
  localparam int unsigned EptEntrySubpageWritePermission = 61;
  // SUPPRESS_VE, SDM 28.5.7.1
  localparam int unsigned EptEntrySuppressVe = 63;

  // EPT pointer
  // MEMORY_TYPE, SDM 27.6.11
  localparam int unsigned EptpMemoryTypeHigh = 2;
  localparam int unsigned EptpMemoryTypeLow = 0;
  // WALK_LENGTH, SDM 27.6.11
  localparam int unsigned EptpWalkLengthHigh = 5;
  localparam int unsigned EptpWalkLengthLow = 3;
  // ACCESSED_DIRTY, SDM 27.6.11
  localparam int unsigned EptpAccessedDirty = 6;
  // SUPERVISOR_SHADOW_STACK, SDM 27.6.11
  localparam int unsigned EptpSupervisorShadowStack = 7;
  // RESERVED, SDM 27.6.11
  localparam int unsigned EptpReservedHigh = 11;
  localparam int unsigned EptpReservedLow = 8;
  // ADDRESS, SDM 27.6.11
  localparam int unsigned EptpAddressHigh = 51;
  localparam int unsigned EptpAddressLow = 12;

  // Guest paging-structure entries of 64 bits
  // PRESENT, SDM 5.5.4
  localparam int unsigned GuestEntryPresent = 0;
  // WRITABLE, SDM 5.6
  localparam int unsigned GuestEntryWritable = 1;
  // USER, SDM 5.6
  localparam int unsigned GuestEntryUser = 2;
  // WRITE_THROUGH, SDM 5.9.2
  localparam int unsigned GuestEntryWriteThrough = 3;
  // CACHE_DISABLE, SDM 5.9.2
  localparam int unsigned GuestEntryCacheDisable = 4;
  // ACCESSED, SDM 5.8
  localparam int unsigned GuestEntryAccessed = 5;
  // DIRTY, SDM 5.8
  localparam int unsigned GuestEntryDirty = 6;
  // PAGE_SIZE, SDM 5.5.4
  localparam int unsigned GuestEntryPageSize = 7;
  // PAT_4K, SDM 5.9.2
  localparam int unsigned GuestEntryPat4K = 7;
  // GLOBAL, SDM 5.10.2.4
  localparam int unsigned GuestEntryGlobal = 8;
  // RESTART, SDM 5.5.5
  localparam int unsigned GuestEntryRestart = 11;
  // PAT_LARGE, SDM 5.9.2
  localparam int unsigned GuestEntryPatLarge = 12;
  // ADDRESS, SDM 5.5.4
  localparam int unsigned GuestEntryAddressHigh = 51;
  localparam int unsigned GuestEntryAddressLow = 12;
  // PROTECTION_KEY, SDM 5.6.2
  localparam int unsigned GuestEntryProtectionKeyHigh = 62;
  localparam int unsigned GuestEntryProtectionKeyLow = 59;
  // EXECUTE_DISABLE, SDM 5.6
  localparam int unsigned GuestEntryExecuteDisable = 63;

  // CR0
  // PE, SDM 2.5
  localparam int unsigned Cr0Pe = 0;
  // WP, SDM 2.5
  localparam int unsigned Cr0Wp = 16;
  // CD, SDM 2.5
  localparam int unsigned Cr0Cd = 30;
  // PG, SDM 2.5
  localparam int unsigned Cr0Pg = 31;

  // CR3
  // PCID, SDM 5.10.1
  localparam int unsigned Cr3PcidHigh = 11;
  localparam int unsigned Cr3PcidLow = 0;
  // WRITE_THROUGH, SDM 5.9.2
  localparam int unsigned Cr3WriteThrough = 3;
  // CACHE_DISABLE, SDM 5.9.2
  localparam int unsigned Cr3CacheDisable = 4;
  // PAE_ADDRESS, SDM 5.4.1
  localparam int unsigned Cr3PaeAddressHigh = 31;
  localparam int unsigned Cr3PaeAddressLow = 5;
  // ADDRESS, SDM 5.5.2
  localparam int unsigned Cr3AddressHigh = 51;
  localparam int unsigned Cr3AddressLow = 12;
  // LAM_U57, SDM 4.4
  localparam int unsigned Cr3LamU57 = 61;
  // LAM_U48, SDM 4.4
  localparam int unsigned Cr3LamU48 = 62;

  // CR4
  // PSE, SDM 2.5
  localparam int unsigned Cr4Pse = 4;
  // PAE, SDM 2.5
  localparam int unsigned Cr4Pae = 5;
  // PGE, SDM 2.5
  localparam int unsigned Cr4Pge = 7;
  // LA57, SDM 2.5
  localparam int unsigned Cr4La57 = 12;
  // PCIDE, SDM 2.5
  localparam int unsigned Cr4Pcide = 17;
  // SMEP, SDM 2.5
  localparam int unsigned Cr4Smep = 20;
  // SMAP, SDM 2.5
  localparam int unsigned Cr4Smap = 21;
  // PKE, SDM 2.5
  localparam int unsigned Cr4Pke = 22;
  // CET, SDM 2.5
  localparam int unsigned Cr4Cet = 23;
  // PKS, SDM 2.5
  localparam int unsigned Cr4Pks = 24;
  // LASS, SDM 2.5
  localparam int unsigned Cr4Lass = 27;
  // LAM_SUP, SDM 2.5
  localparam int unsigned Cr4LamSup = 28;

  // IA32_EFER
  // LME, SDM 2.2.1
  localparam int unsigned EferLme = 8;
  // LMA, SDM 2.2.1
  localparam int unsigned EferLma = 10;
  // NXE, SDM 2.2.1
  localparam int unsigned EferNxe = 11;

  // Exit qualification of EPT violations
  // READ, SDM 30.2.1
  localparam int unsigned QualificationRead = 0;
  // WRITE, SDM 30.2.1
  localparam int unsigned QualificationWrite = 1;
  // FETCH, SDM 30.2.1
  localparam int unsigned QualificationFetch = 2;
  // READABLE, SDM 30.2.1
  localparam int unsigned QualificationReadable = 3;
  // WRITABLE, SDM 30.2.1
  localparam int unsigned QualificationWritable = 4;
  // EXECUTABLE, SDM 30.2.1
  localparam int unsigned QualificationExecutable = 5;
  // USER_EXECUTABLE, SDM 30.2.1
  localparam int unsigned QualificationUserExecutable = 6;
  // LINEAR_VALID, SDM 30.2.1
  localparam int unsigned QualificationLinearValid = 7;
  // FINAL, SDM 30.2.1
  localparam int unsigned QualificationFinal = 8;
  // USER_ADDRESS, SDM 30.2.1
  localparam int unsigned QualificationUserAddress = 9;
  // GUEST_WRITABLE, SDM 30.2.1
  localparam int unsigned QualificationGuestWritable = 10;
  // GUEST_NX, SDM 30.2.1
  localparam int unsigned QualificationGuestNx = 11;
  // NMI_UNBLOCKING, SDM 30.2.1
  localparam int unsigned QualificationNmiUnblocking = 12;
  // SHADOW_STACK, SDM 30.2.1
  localparam int unsigned QualificationShadowStack = 13;
  // SUPERVISOR_SHADOW_STACK, SDM 30.2.1
  localparam int unsigned QualificationSupervisorShadowStack = 14;
  // GUEST_PAGING_VERIFICATION, SDM 30.2.1
  localparam int unsigned QualificationGuestPagingVerification = 15;
  // ASYNCHRONOUS, SDM 30.2.1
  localparam int unsigned QualificationAsynchronous = 16;

  // Error code of page faults
  // PRESENT, SDM 5.7
  localparam int unsigned ErrorCodePresent = 0;
  // WRITE, SDM 5.7
  localparam int unsigned ErrorCodeWrite = 1;
  // USER, SDM 5.7
  localparam int unsigned ErrorCodeUser = 2;
  // RESERVED, SDM 5.7
  localparam int unsigned ErrorCodeReserved = 3;
  // FETCH, SDM 5.7
  localparam int unsigned ErrorCodeFetch = 4;
  // PROTECTION_KEY, SDM 5.7
  localparam int unsigned ErrorCodeProtectionKey = 5;
  // SHADOW_STACK, SDM 5.7
  localparam int unsigned ErrorCodeShadowStack = 6;
  // HLAT, SDM 5.7
  localparam int unsigned ErrorCodeHlat = 7;

  // Memory types, as in EPT entries and the PAT
  localparam logic [2:0] MemoryTypeUc = 3'd0;
  localparam logic [2:0] MemoryTypeWc = 3'd1;
  localparam logic [2:0] MemoryTypeWt = 3'd4;
  localparam logic [2:0] MemoryTypeWp = 3'd5;
  localparam logic [2:0] MemoryTypeWb = 3'd6;
  localparam logic [2:0] MemoryTypeUcMinus = 3'd7;

  // Kinds of access
  localparam logic [2:0] AccessRead = 3'd0;
  localparam logic [2:0] AccessWrite = 3'd1;
  localparam logic [2:0] AccessFetch = 3'd2;
  localparam logic [2:0] AccessReadModifyWrite = 3'd3;
  localparam logic [2:0] AccessShadowStackRead = 3'd4;
  localparam logic [2:0] AccessShadowStackWrite = 3'd5;

endpackage
