// The walker's ports and the values that pass between its modules. Codes of outcomes and reasons
// are those of the model's enumerations.

package walker_pkg;

  // What the processor is at the moment of a request: the guest's registers, the VMCS and the
  // capabilities, as the architecture lays them out.
  typedef struct packed {
    logic         ept_enabled;
    logic [63:0]  eptp;
    logic [63:0]  cr0;
    logic [63:0]  cr3;
    logic [63:0]  cr4;
    logic [63:0]  efer;
    logic [31:0]  pkru;
    logic [31:0]  pkrs;
    logic [63:0]  pat;
    logic         rflags_ac;
    logic [15:0]  vpid;  // 0 where VPIDs are off
    logic [255:0] pdptes;  // the four PDPTE registers of PAE paging, the first lowest
    logic         mode_based_execute;
    logic         violation_ve;  // EPT violations may become virtualization exceptions
    logic         pml;
    logic         paging_write;
    logic         guest_paging_verification;
    logic         sub_page_permission;
    logic [63:0]  sppt_pointer;
    logic         hlat;  // hypervisor-managed linear-address translation
    logic [63:0]  hlat_pointer;
    logic [15:0]  hlat_prefix_size;
    logic [63:0]  pml_address;
    logic [15:0]  pml_index;
    logic [63:0]  ve_info_address;
    logic [15:0]  eptp_index;
    logic [5:0]   maxphyaddr;  // 32 to 52
    logic         execute_only;
    logic         page_1g;
    logic         page_2m;
    logic         guest_page_1g;
    logic         advanced_exit_info;
  } context_t;

  // The same taken apart: what a walk needs of it, latched per walk.
  typedef struct packed {
    logic        ept;
    logic        ept_five_levels;
    logic        ept_flags;         // accessed and dirty flags in use
    logic        ept_shadow_stack;  // supervisor shadow-stack control in use
    logic [39:0] ept_root;          // frame of the root table
    logic        mode_based_execute;
    logic        execute_only;
    logic        ept_page_1g;
    logic        ept_page_2m;
    logic        advanced_exit_info;
    logic        pml;           // page-modification logging in use
    logic        violation_ve;  // virtualization exceptions in use
    logic        paging_write;  // EPT paging-write control
    logic        verification;  // guest-paging verification
    logic        sub_pages;     // sub-page write permissions
    logic        paging;
    logic        long_mode;    // 4-level or 5-level paging
    logic        five_levels;  // 5-level paging
    logic        hlat;         // the linear address is translated from the HLAT pointer first
    logic        narrow;       // 32-bit paging: entries of four bytes
    logic        pae;          // PAE paging
    logic        pse;          // pages of 4 MiB in 32-bit paging
    logic [39:0] root;         // frame of the guest's first table in memory
    logic        guest_page_1g;
    logic        wp;
    logic        cd;
    logic        nxe;
    logic        global_pages;
    logic        smep;
    logic        smap;
    logic        lass;
    logic        pke;
    logic        pks;
    logic        ac;
    logic [31:0] pkru;
    logic [31:0] pkrs;
    logic [63:0] pat;
    logic [5:0]  maxphyaddr;
  } mode_t;

  // And the rest, which few walks look at.
  typedef struct packed {
    logic [63:0] pdpte;  // the PDPTE register that the linear address chooses, in PAE paging
    logic [39:0] hlat_root;      // frame of the first HLAT table
    logic [39:0] sub_page_root;  // frame of the uppermost table of sub-page permissions
    logic [39:0] pml_frame;
    logic [39:0] ve_frame;  // of the virtualization exceptions' information area
    logic [15:0] eptp_index;
  } annex_t;

  // Whose translations a walk makes and may use (SDM 31.4.1).
  typedef struct packed {
    logic [15:0] vpid;
    logic [11:0] pcid;
    logic        ept;
    logic [39:0] ept_root;  // EPTRTA, as a frame; 0 with EPT off
  } space_t;

  // Here, in memory_request_t and in response_t no wide field crosses a multiple of 64 bits, for
  // simulators keep a struct as an array of words.
  typedef struct packed {
    logic        linear;    // else guest-physical: only the EPT is walked
    logic [7:0]  size;      // in bytes, of one page
    logic [2:0]  access;    // arch_pkg::Access*
    logic        user;      // CPL 3
    logic        implicit;  // an implicit supervisor access, whatever user says
    logic [31:0] tag;
    logic [63:0] address;
  } request_t;

  // An access taken apart. A read-modify-write reads and writes; a shadow-stack access reads or
  // writes.
  typedef struct packed {
    logic read;
    logic write;
    logic fetch;
    logic shadow_stack;
  } access_t;

  // Where in the walk a reference is made: guest_level is that of the guest entry being located or
  // read, 0 for the access's own address; ept_level that of the EPT entry, 0 for the guest entry.
  // The sub-page permission tables are read for the access's own address alone.
  typedef struct packed {
    logic [2:0] guest_level;
    logic [2:0] ept_level;
    logic [2:0] sub_page_level;  // of the table of sub-page permissions, or 0
    logic       hlat;            // the guest entry is one of the HLAT tables
  } place_t;

  // Reads are those of paging-structure entries: this port is the trace of references as well.
  typedef enum logic [1:0] {
    MemoryRead = 2'd0,
    MemorySwap = 2'd1,  // compare and swap
    MemoryLoad = 2'd2,
    MemoryStore = 2'd3
  } memory_kind_e;

  // Values of less than eight bytes have zeros above, those of answers too.
  typedef struct packed {
    logic [7:0]   id;
    logic [3:0]   size;  // in bytes: 2, 4 or 8
    memory_kind_e kind;
    place_t       place;
    logic [51:0]  address;
    logic [63:0]  expected;
    logic [63:0]  desired;
  } memory_request_t;

  typedef struct packed {
    logic [7:0]  id;
    logic [63:0] value;  // read, or found by the swap
  } memory_answer_t;

  // Rights that an EPT entry gives, by its bits, whatever the controls are: caches may hold them
  // while controls change. And rights that an access needs: those say which controls are in use.
  // With EPT paging-write control writes to guest tables need paging_write instead of write;
  // supervisor shadow-stack accesses need their own right alone, where the EPTP says so.
  typedef struct packed {
    logic read;
    logic write;
    logic execute;
    logic user_execute;
    logic paging_write;
    logic supervisor_shadow_stack;
  } ept_rights_t;

  typedef struct packed {
    logic write;
    logic user;
    logic execute;
    logic shadow_stack;  // of a leaf: the page is a shadow-stack page
  } guest_rights_t;

  // What the caches hold of a table that an entry refers to. Rights are those of all levels down to
  // the entry.
  typedef struct packed {
    logic [39:0] frame;  // host-physical
    ept_rights_t rights;
  } ept_table_t;

  typedef struct packed {
    logic [39:0]   frame;  // host-physical
    guest_rights_t rights;
    ept_rights_t   ept_rights;       // of the page that holds the table
    logic          paging_verified;  // the pages of all tables so far have paging-write access
  } guest_table_t;

  // What a walk waits for: a look-up in the caches, or the answer to a memory request.
  typedef enum logic [3:0] {
    OpLookupCombined,
    OpLookupEpt,
    OpEptRead,
    OpEptSwap,
    OpGuestRead,
    OpGuestAccessed,
    OpGuestDirty,
    OpSubPageRead,
    OpLog,
    OpVeLoad,
    OpVeStore
  } op_e;

  // Which cached translations are to be removed: of the kinds named, those that fit every part that
  // is valid (SDM 31.4.3).
  typedef struct packed {
    logic        linear_mappings;  // what was made with EPT off
    logic        combined_mappings;
    logic        guest_physical_mappings;
    logic        vpid_valid;
    logic [15:0] vpid;
    logic        keep_vpid_zero;
    logic        pcid_valid;
    logic [11:0] pcid;
    logic        ept_root_valid;  // then no linear mapping fits
    logic [39:0] ept_root;
    logic        linear_valid;
    logic [56:0] linear;
    logic        gpa_valid;  // of guest-physical mappings alone
    logic [51:0] gpa;
  } invalidation_t;

  typedef struct packed {
    logic combined;
    logic ept;
    logic nested_tlb;
  } caches_disabled_t;

  // What the caches were asked in one cycle, and at which level they hit; 0: a miss.
  typedef struct packed {
    logic [7:0] id;
    logic       combined;  // the combined caches were asked; else those of guest-physical addresses
    logic [2:0] combined_level;
    logic [2:0] nested_level;
    logic       ept_asked;  // the nested TLB did not answer
    logic [2:0] ept_level;
  } cache_lookup_t;

  typedef enum logic [2:0] {
    OutcomeTranslated = 3'd0,
    OutcomePageFault = 3'd1,
    OutcomeEptViolation = 3'd2,
    OutcomeEptMisconfiguration = 3'd3,
    OutcomePmlFull = 3'd4,
    OutcomeSppEvent = 3'd5,
    OutcomeVirtualizationException = 3'd6,
    OutcomeGeneralProtection = 3'd7
  } outcome_e;

  typedef enum logic [4:0] {
    ReasonNone = 5'd0,
    ReasonNotCanonical = 5'd1,
    ReasonLass = 5'd2,
    ReasonGuestNotPresent = 5'd3,
    ReasonGuestReservedBit = 5'd4,
    ReasonGuestNotWritable = 5'd5,
    ReasonGuestSupervisorPage = 5'd6,
    ReasonGuestExecuteDisable = 5'd7,
    ReasonGuestSmep = 5'd8,
    ReasonGuestSmap = 5'd9,
    ReasonGuestProtectionKey = 5'd10,
    ReasonGuestShadowStack = 5'd11,
    ReasonEptNotPresent = 5'd12,
    ReasonEptAddressTooWide = 5'd13,
    ReasonEptNotReadable = 5'd14,
    ReasonEptNotWritable = 5'd15,
    ReasonEptNotExecutable = 5'd16,
    ReasonEptShadowStack = 5'd17,
    ReasonEptPagingVerification = 5'd18,
    ReasonEptWriteWithoutRead = 5'd19,
    ReasonEptExecuteOnlyUnsupported = 5'd20,
    ReasonEptPagingWriteWithoutRead = 5'd21,
    ReasonEptReservedBit = 5'd22,
    ReasonEptMemoryType = 5'd23,
    ReasonPmlIndex = 5'd24,
    ReasonSppMiss = 5'd25,
    ReasonSppMisconfiguration = 5'd26
  } reason_e;

  // Page sizes are levels of the entry that maps the page: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB. There
  // is 4 = 4 MiB beside them, and 0 = none.
  typedef struct packed {
    logic [16:0]   qualification;
    logic [7:0]    error_code;
    logic [3:0]    protection_key;
    ept_rights_t   ept_rights;
    logic [15:0]   references;
    logic [15:0]   pml_index;  // as the walk leaves it
    logic [31:0]   tag;
    outcome_e      outcome;
    reason_e       reason;
    guest_rights_t guest_rights;
    logic [51:0]   gpa;
    logic          linear_valid;
    logic          dirty;
    logic          global_page;
    place_t        place;
    logic [51:0]   hpa;
    logic [2:0]    guest_page;
    logic [2:0]    ept_page;
    logic [2:0]    page;
    logic [2:0]    memory_type;
    logic [51:0]   entry_address;
    logic [63:0]   entry;
    logic [63:0]   cycles;
  } response_t;

endpackage
