"""Cases whose tests live in another folder: they run with the suite and stand in its table."""

from tests.faults.faults import Case

FAULTS = 'tests/ros/test_classifier_faults.py'
NODE = 'tests/ros/test_classifier_node.py'
PROCESS = 'tests/ros/test_classifier_process.py'
CAMERAS = 'tests/ros/test_classifier_cameras.py'
LIFECYCLE = 'tests/ros/test_lifecycle.py'
BOND = 'tests/ros/test_classifier_bond.py'
MEMORY = 'tests/ros/test_shared_memory.py'
NAVIGATOR = 'tests/ros/test_navigator_faults.py'
SIGNS = 'tests/ros/test_navigator_signs.py'
NAVIGATOR_PROCESS = 'tests/ros/test_navigator_process.py'
PLAN = 'tests/unit/engine/test_trt_plan.py'
CACHE = 'tests/unit/engine/test_cache.py'
TRT = 'tests/unit/engine/test_trt_engine.py'
PACKAGE = 'tests/unit/test_model_package.py'
SCAN = 'tests/unit/test_onnx_scan.py'
BAGS = 'tests/unit/replay/test_bags.py'
CODEC = 'tests/unit/codec'

_ROWS = [
    ('time', 'no /clock: navigator', 'use_sim_time, nothing on /clock',
     'nothing acts, the lock is told; the first clock is no jump', NAVIGATOR,
     'test_no_clock_yet_does_nothing_and_the_first_clock_is_no_jump'),
    ('time', 'no /clock: classifier', 'use_sim_time, nothing on /clock',
     'it starts, diagnostics go on', PROCESS, 'test_diagnostics_go_on_without_a_clock'),
    ('time', 'paused bag', '/clock and images stop', 'stale on the steady clock: lock',
     NAVIGATOR, 'test_paused_bag_is_stale_on_the_steady_clock'),
    ('time', 'bag loop: navigator', '/clock and stamps begin again',
     'signs forgotten, limits hold', NAVIGATOR, 'test_bag_loop_forgets_signs_and_holds_limits'),
    ('time', 'bag loop: classifier', 'stamps go back', 'counted; results go on', FAULTS,
     'test_stamps_that_go_back_are_counted_and_answered'),
    ('time', 'clock back: classifier', '/clock jumps back', 'all tracks start anew', NODE,
     'test_a_clock_that_jumps_back_makes_the_tracks_start_anew'),
    ('time', 'clock step', '/clock jumps by ten minutes either way', 'a stop does not end by it',
     NAVIGATOR, 'test_clock_jump_does_not_end_a_stop'),
    ('time', 'small NTP step', 'the clock goes back by a moment', 'no jump',
     'tests/unit/navigation/test_faults.py', 'test_small_step_back_of_the_clock_is_no_jump'),
    ('time', 'repeated or late image', 'a stamp that was there before', 'refused; no lock',
     NAVIGATOR, 'test_image_repeated_or_late_does_nothing'),
    ('stream', '10 times overload', 'ten images while one is in work',
     'the newest is next, eight are dropped and counted', FAULTS,
     'test_under_overload_the_newest_frame_is_next'),
    ('stream', 'QoS mismatch', 'a best-effort camera, reliable asked for',
     'ERROR that names the policy', PROCESS, 'test_an_incompatible_camera_is_reported'),
    ('stream', 'two publishers', 'a second camera on the topic', 'WARN', FAULTS,
     'test_two_publishers_on_one_topic_are_reported'),
    ('stream', 'one of two cameras breaks', 'bad images from one camera',
     'the other one is not disturbed', CAMERAS,
     'test_a_broken_frame_of_one_camera_is_its_own_trouble'),
    ('stream', 'one of two cameras goes and returns', 'no images from one camera',
     'the other one is not disturbed', CAMERAS,
     'test_a_camera_that_stops_and_returns_does_not_disturb_the_other'),
    ('model', 'engine of another TensorRT version', 'a cached engine with another key',
     'never deserialised; rebuilt with a warning', PLAN,
     'test_engine_of_another_version_is_rebuilt_with_a_warning'),
    ('model', 'altered engine', 'one byte of a cached engine changed',
     'never deserialised; rebuilt with a warning', PLAN,
     'test_altered_engine_is_rebuilt_with_a_warning'),
    ('model', 'altered model, cached engine', 'one byte of the ONNX file changed',
     'refused although the engine is there', PLAN,
     'test_altered_model_is_refused_although_its_engine_is_cached'),
    ('model', 'full disk', 'the engine cannot be stored', 'it is used from memory', PLAN,
     'test_full_disk_keeps_the_engine_in_memory'),
    ('model', 'crash while writing an engine', 'a write that ends in the middle',
     'the old engine stays', CACHE, 'test_crash_while_writing_leaves_the_old_engine'),
    ('GPU', 'out of memory (stand-in)', 'CUDA says no memory while running',
     'retried once with half the batch', TRT, 'test_memory_lost_while_running_is_retried_smaller'),
    ('GPU', 'context None (stand-in)', 'no execution context can be made', 'out of memory', TRT,
     'test_no_context_for_a_batch_is_out_of_memory'),
    ('GPU', 'sticky error (stand-in)', 'illegal address', 'fatal, and stays so', TRT,
     'test_sticky_error_is_fatal_and_stays_so'),
    ('GPU', 'hung GPU (stand-in)', 'an event that never comes', 'fatal instead of waiting', TRT,
     'test_hung_gpu_is_fatal_instead_of_waiting_for_ever'),
    ('GPU', 'hung inference, lost device', 'the engine of a process hangs or is lost',
     'exit 70 in bounded time', PROCESS, 'test_a_lost_engine_ends_the_process_for_a_respawn'),
    ('lifecycle', 'exception in configure', 'an unforeseen error',
     'logged with its traceback; unconfigured, released', LIFECYCLE,
     'test_an_unforeseen_error_in_configure_is_logged_with_its_traceback'),
    ('lifecycle', 'exception in activate', 'an unforeseen error',
     'unconfigured, publishers silent', LIFECYCLE,
     'test_an_unforeseen_error_in_activate_releases_and_leaves_no_open_publisher'),
    ('lifecycle', 'exception behind the enabled publishers', 'the last entity fails',
     'publishers silent again', LIFECYCLE,
     'test_an_error_after_the_publishers_were_enabled_disables_them_again'),
    ('lifecycle', 'exception in deactivate or cleanup', 'an unforeseen error',
     'unconfigured, silent', LIFECYCLE,
     'test_an_error_on_the_way_down_ends_unconfigured_and_silent'),
    ('lifecycle', 'exception in shutdown', 'each step fails in turn', 'finalized, released',
     LIFECYCLE, 'test_shutdown_ends_finalized_whatever_fails'),
    ('lifecycle', 'None from a callback', 'a step that returns nothing', 'an error, no wedge',
     LIFECYCLE, 'test_a_step_that_returns_nothing_is_an_error_not_a_wedge'),
    ('lifecycle', 'invalid transition of an unconfigured node', 'activate, and no such label',
     'answered with no; the node lives', LIFECYCLE,
     'test_an_impossible_transition_is_answered_with_no_and_the_node_lives'),
    ('lifecycle', 'deactivate during a frame', 'the engine is held meanwhile',
     'nothing of that frame is published', FAULTS,
     'test_deactivating_during_a_frame_publishes_nothing_of_it'),
    ('lifecycle', 'shutdown during a frame', 'the engine is held meanwhile', 'finalized',
     FAULTS, 'test_shutting_down_during_a_frame_ends_finalized'),
    ('lifecycle', '200 cycles', 'configure, activate, deactivate, cleanup',
     'threads, topics and memory as at the start', NODE,
     'test_two_hundred_configures_leave_nothing_behind'),
    ('process', 'signal in each state: classifier', 'SIGINT, SIGTERM; three states',
     'on_shutdown runs; exit 0', PROCESS, 'test_a_signal_ends_it_with_0_after_on_shutdown'),
    ('process', 'signal while a model loads', 'SIGTERM in configuring', 'exit 0', PROCESS,
     'test_a_signal_while_the_model_loads_ends_it_with_0'),
    ('process', 'signal: navigator', 'SIGINT, SIGTERM', 'a last lock goes out; exit 0',
     NAVIGATOR_PROCESS, 'test_signal_ends_it_with_zero_and_the_last_word_is_locked'),
    ('process', 'SIGKILL and shared memory', 'a killed node leaves 64 MiB in /dev/shm',
     'the next start removes what nobody owns', MEMORY,
     'test_what_a_killed_node_leaves_is_cleared_by_the_next_one'),
    ('process', 'SIGKILL of the classifier, and a new one', 'kill -9', 'the next one answers',
     PROCESS, 'test_a_kill_leaves_nothing_that_disturbs_the_next_one'),
    ('process', 'bond broken by a hang', 'a frame hangs while a bond is kept',
     'the bond is broken, then exit', BOND, 'test_a_hang_breaks_the_bond'),
    ('process', 'bond taken down in order', 'deactivate, activate anew, shutdown',
     'a new bond each activation', BOND, 'test_every_activation_has_a_bond_of_its_own'),
    ('process', 'bond without bondpy', 'bond: true', 'activation fails and says the remedy',
     BOND, 'test_without_bondpy_activation_fails_and_says_what_to_do'),
    ('parameters', 'wrong start: classifier', 'overrides out of range or of a wrong type',
     'exit 1 with one line', PROCESS, 'test_a_wrong_parameter_ends_in_one_line'),
    ('parameters', 'wrong start: navigator', 'overrides out of range, no such table',
     'exit 1 with one line', NAVIGATOR_PROCESS, 'test_bad_start_ends_with_one_and_says_why'),
    ('Nav2', 'stale camera', 'images stop; hold and stop',
     'the limit holds and is repeated, the lock follows on_stale', NAVIGATOR,
     'test_stale_images_hold_the_limit_and_lock_as_configured'),
    ('Nav2', 'navigator killed', 'kill -9 while a limit is in force',
     'nothing is released; the next one goes on', NAVIGATOR_PROCESS,
     'test_killed_navigator_releases_nothing_and_a_new_one_goes_on'),
    ('Nav2', 'controller restart', 'a subscriber that comes late', 'it hears the limit', SIGNS,
     'test_consumer_that_restarts_hears_the_limit_again'),
    ('Nav2', 'table of another model', 'label_info with other names', 'nothing acts; ERROR',
     SIGNS, 'test_table_for_another_model_does_nothing_and_says_so'),
    ('security', 'links in a package', 'labels or network are links', 'refused', PACKAGE,
     'test_links_inside_the_package_are_refused'),
    ('security', 'cache that others can write', 'modes 770, 707, 777', 'refused', CACHE,
     'test_folder_that_others_can_write_is_refused'),
    ('security', 'bag that leads outside', 'metadata.yaml names ../file', 'refused', BAGS,
     'test_metadata_cannot_lead_out_of_the_folder'),
    ('fuzzing', 'compressed images (hypothesis)', 'altered and invented bytes',
     'decoded or refused', f'{CODEC}/test_compressed.py', 'test_altered_pictures'),
    ('fuzzing', 'raw images (hypothesis)', 'any fields', 'decoded to the size told or refused',
     f'{CODEC}/test_raw.py', 'test_any_fields_decode_to_the_size_told_or_are_refused'),
    ('fuzzing', 'model package (hypothesis)', 'any value in any field',
     'taken or refused by name', PACKAGE,
     'test_any_value_in_any_field_is_taken_or_refused_by_name'),
    ('fuzzing', 'ONNX scan (hypothesis)', 'altered networks, any bytes', 'scanned or refused',
     SCAN, 'test_altered_models_are_scanned_or_refused'),
    ('fuzzing', 'navigator state machine (hypothesis)', 'any order of anything',
     'limits in (0, cap], 0.0 only on release, nothing from stale data',
     'tests/unit/navigation/test_properties.py', ''),
]  # fmt: skip

ELSEWHERE = [
    (Case(group, name, stimulus, required), f'{file}::{test}')
    for group, name, stimulus, required, file, test in _ROWS
]
FILES = sorted({row[4] for row in _ROWS})


def cases_of(nodeid: str) -> list[Case]:
    """Return the cases that a test of another folder stands for."""
    return [case for case, start in ELSEWHERE if nodeid.startswith(start)]
